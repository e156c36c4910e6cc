//! The messages of the live stream, each type read in one way.
//!
//! A message says its kind in a key, and a resource has its header among its own keys, so that the types' own readers would
//! keep everything in between and be there three times: a quarter of a megabyte to load. With thousands of volumes the first
//! message has tens of megabytes; it is read straight from the text, and the few things of a change by way of a value.

use aurochs_api::instance_manager::InstanceManager;
use aurochs_api::job::Job;
use aurochs_api::live::{Everything, LiveItem, LiveKind, LiveMessage};
use aurochs_api::node::Node;
use aurochs_api::schema::Resource;
use aurochs_api::setting::Setting;
use aurochs_api::volume::Volume;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Error, Value};

/// How the first message begins: the manager writes the key first.
const EVERYTHING: &str = "{\"event\":\"everything\"";

/// The first message without the headers: the id of these is their name. Jobs have numbers, and there are few.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Whole {
    volumes: Vec<Volume>,
    nodes: Vec<Node>,
    instance_managers: Vec<InstanceManager>,
    settings: Vec<Setting>,
    jobs: Vec<Value>,
}

pub(super) fn read(text: &str) -> Result<LiveMessage, Error> {
    if text.starts_with(EVERYTHING) {
        let whole: Whole = serde_json::from_str(text)?;
        return Ok(LiveMessage::Everything(Box::new(Everything {
            volumes: whole.volumes.into_iter().map(|volume| named(volume.name.clone(), volume)).collect(),
            nodes: whole.nodes.into_iter().map(|node| named(node.name.clone(), node)).collect(),
            instance_managers: whole.instance_managers.into_iter().map(|one| named(one.name.clone(), one)).collect(),
            settings: whole.settings.into_iter().map(|setting| named(setting.name.clone(), setting)).collect(),
            jobs: whole.jobs.iter().map(resource::<Job>).collect::<Result<_, _>>()?,
        })));
    }
    let mut message: Value = serde_json::from_str(text)?;
    let event = message.get("event").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut take = |key: &str| message.get_mut(key).map(Value::take).unwrap_or_default();
    match event.as_str() {
        "changed" => {
            let items = list(take("items"));
            let items = items.iter().filter_map(|item| item_of(item).transpose());
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
fn item_of(item: &Value) -> Result<Option<LiveItem>, Error> {
    let Some(found) = item.get("resource") else { return Ok(None) };
    Ok(Some(match item.get("kind").and_then(Value::as_str).unwrap_or_default() {
        "volume" => LiveItem::Volume(Box::new(resource(found)?)),
        "node" => LiveItem::Node(Box::new(resource(found)?)),
        "instanceManager" => LiveItem::InstanceManager(Box::new(resource(found)?)),
        "setting" => LiveItem::Setting(Box::new(resource(found)?)),
        "job" => LiveItem::Job(Box::new(resource(found)?)),
        _ => return Ok(None),
    }))
}

/// By way of its text: reading a type from a value would be another reader of it.
fn resource<T: DeserializeOwned>(value: &Value) -> Result<Resource<T>, Error> {
    let id = value.get("id").map(text_of).unwrap_or_default();
    Ok(named(id, serde_json::from_str(&value.to_string())?))
}

/// Of the header only the id is of use here.
fn named<T>(id: String, data: T) -> Resource<T> {
    let (kind, links, actions) = Default::default();
    Resource { id, kind, links, actions, data }
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
            data: Setting { name: "s".into(), value: "1".into(), ..Setting::default() },
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
