//! The messages of the live stream, read by way of JSON values.
//!
//! The types could read themselves from the text; but a message says its kind in a key, and a resource has its header
//! among its own keys, so that serde would make three readers of every type. One is a quarter of a megabyte less to load.

use aurochs_api::live::{Everything, LiveItem, LiveKind, LiveMessage};
use aurochs_api::schema::Resource;
use serde::de::DeserializeOwned;
use serde_json::{Error, Value};

pub(super) fn read(text: &str) -> Result<LiveMessage, Error> {
    let mut message: Value = serde_json::from_str(text)?;
    let event = message.get("event").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut take = |key: &str| message.get_mut(key).map(Value::take).unwrap_or_default();
    match event.as_str() {
        "everything" => Ok(LiveMessage::Everything(Box::new(Everything {
            volumes: resources(take("volumes"))?,
            nodes: resources(take("nodes"))?,
            instance_managers: resources(take("instanceManagers"))?,
            settings: resources(take("settings"))?,
            jobs: resources(take("jobs"))?,
        }))),
        "changed" => {
            let items = list(take("items")).into_iter().filter_map(|item| item_of(item).transpose());
            Ok(LiveMessage::Changed { items: items.collect::<Result<_, _>>()? })
        }
        "gone" => {
            Ok(LiveMessage::Gone { kind: serde_json::from_value::<LiveKind>(take("kind"))?, id: text_of(&take("id")) })
        }
        "following" => Ok(LiveMessage::Following { lists: list(take("lists")).iter().map(text_of).collect() }),
        "stale" => Ok(LiveMessage::Stale { lists: list(take("lists")).iter().map(text_of).collect() }),
        // A later manager may say what this page does not know.
        _ => Ok(LiveMessage::Alive),
    }
}

/// None for a kind of thing that this page does not know.
fn item_of(mut item: Value) -> Result<Option<LiveItem>, Error> {
    let kind = item.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let found = item.get_mut("resource").map(Value::take).unwrap_or_default();
    Ok(Some(match kind.as_str() {
        "volume" => LiveItem::Volume(Box::new(resource(found)?)),
        "node" => LiveItem::Node(Box::new(resource(found)?)),
        "instanceManager" => LiveItem::InstanceManager(Box::new(resource(found)?)),
        "setting" => LiveItem::Setting(Box::new(resource(found)?)),
        "job" => LiveItem::Job(Box::new(resource(found)?)),
        _ => return Ok(None),
    }))
}

fn resources<T: DeserializeOwned>(values: Value) -> Result<Vec<Resource<T>>, Error> {
    list(values).into_iter().map(resource).collect()
}

/// Of the header only the id is of use here.
fn resource<T: DeserializeOwned>(value: Value) -> Result<Resource<T>, Error> {
    let id = value.get("id").map(text_of).unwrap_or_default();
    let (kind, links, actions) = Default::default();
    Ok(Resource { id, kind, links, actions, data: serde_json::from_value(value)? })
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use aurochs_api::node::Node;
    use aurochs_api::setting::Setting;
    use aurochs_api::size::ByteSize;
    use aurochs_api::volume::{Controller, Volume, VolumeState};

    use super::*;

    fn volume() -> Resource<Volume> {
        let engine = Controller { host_id: "node-1".into(), actual_size: ByteSize(4096), ..Controller::default() };
        let data = Volume {
            name: "a".into(),
            size: ByteSize(1 << 30),
            state: VolumeState::Attached,
            controllers: vec![engine],
            ..Volume::default()
        };
        Resource { id: "a".into(), data, ..Resource::default() }
    }

    /// What the manager writes with the types is what is read without their own readers.
    #[test]
    fn every_message_is_read_as_it_was_written() {
        let setting = Resource {
            id: "s".into(),
            data: Setting { value: "1".into(), ..Setting::default() },
            ..Resource::default()
        };
        let node =
            Resource { id: "n".into(), data: Node { name: "n".into(), ..Node::default() }, ..Resource::default() };
        let all = Everything {
            volumes: vec![volume()],
            nodes: vec![node],
            settings: vec![setting.clone()],
            ..Everything::default()
        };
        for message in [
            LiveMessage::Everything(Box::new(all)),
            LiveMessage::Changed {
                items: vec![LiveItem::Volume(Box::new(volume())), LiveItem::Setting(Box::new(setting))],
            },
            LiveMessage::Gone { kind: LiveKind::InstanceManager, id: "i".into() },
            LiveMessage::Alive,
            LiveMessage::Following { lists: vec!["backups".into()] },
            LiveMessage::Stale { lists: vec!["orphans".into(), "backups".into()] },
        ] {
            assert_eq!(read(&serde_json::to_string(&message).unwrap()).unwrap(), message);
        }
    }

    #[test]
    fn what_is_not_known_is_no_fault() {
        assert_eq!(read(r#"{"event": "sang", "song": 1}"#).unwrap(), LiveMessage::Alive);
        let changed = read(r#"{"event": "changed", "items": [{"kind": "cow", "resource": {"id": "c"}}]}"#).unwrap();
        assert_eq!(changed, LiveMessage::Changed { items: Vec::new() });
        assert!(read("{").is_err());
    }
}
