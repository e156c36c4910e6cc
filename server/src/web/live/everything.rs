//! The first message of a client of the live stream: [`LiveMessage::Everything`], written without copying what it holds.
//!
//! A client that asks for it gets it packed: as a gzip file whose pieces are kept from one client to the next ([`pieces`]), and
//! without the links and actions of each thing, which are most of the text and the same for all of a kind.
//!
//! [`LiveMessage::Everything`]: aurochs_api::live::LiveMessage::Everything

use std::sync::Arc;

use aurochs_api::instance_manager::InstanceManager;
use aurochs_api::job::Job;
use aurochs_api::live::LiveItem;
use aurochs_api::node::Node;
use aurochs_api::schema::Resource;
use aurochs_api::setting::Setting;
use aurochs_api::volume::Volume;
use bytes::Bytes;
use serde::Serialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::hub::Told;
use crate::web::pieces::{self, Item};

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum Message<'a> {
    Everything(Box<Everything<'a>>),
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Everything<'a> {
    nodes: Vec<&'a Resource<Node>>,
    instance_managers: Vec<&'a Resource<InstanceManager>>,
    settings: Vec<&'a Resource<Setting>>,
    jobs: Vec<&'a Resource<Job>>,
    /// The last field: where it is long it is written in pieces.
    volumes: Vec<&'a Resource<Volume>>,
}

/// A volume as packed messages have it.
#[derive(Serialize)]
struct Bare<'a> {
    id: &'a str,
    #[serde(flatten)]
    data: &'a Volume,
}

/// The text, sorted by name so that lists don't jump when a page is loaded again.
pub(super) fn everything(told: &[Arc<Told>]) -> Utf8Bytes {
    let mut all = Everything::default();
    for told in told {
        match &told.item {
            LiveItem::Volume(found) => all.volumes.push(found),
            LiveItem::Node(found) => all.nodes.push(found),
            LiveItem::InstanceManager(found) => all.instance_managers.push(found),
            LiveItem::Setting(found) => all.settings.push(found),
            LiveItem::Job(found) => all.jobs.push(found),
        }
    }
    all.volumes.sort_by(|a, b| a.id.cmp(&b.id));
    all.nodes.sort_by(|a, b| a.id.cmp(&b.id));
    all.instance_managers.sort_by(|a, b| a.id.cmp(&b.id));
    all.settings.sort_by(|a, b| a.id.cmp(&b.id));
    // Numbers, the latest first: a longer one is a later one.
    all.jobs.sort_by(|a, b| (b.id.len(), &b.id).cmp(&(a.id.len(), &a.id)));
    // These types have no maps with keys that JSON can't hold, so this does not fail.
    serde_json::to_string(&Message::Everything(Box::new(all))).unwrap_or_default().into()
}

/// The same as a gzip file. `cache` keeps the pieces of volumes that did not change since. Blocks for as long as compressing
/// takes.
pub(super) fn packed(told: &[Arc<Told>], cache: &pieces::Cache) -> Bytes {
    let mut volumes = Vec::new();
    let mut rest = Vec::new();
    for told in told {
        match &told.item {
            LiveItem::Volume(volume) => volumes.push((told.version, volume)),
            _ => rest.push(Arc::clone(told)),
        }
    }
    volumes.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
    let items: Vec<_> =
        volumes.iter().map(|(version, volume)| Item { name: &volume.id, fingerprint: *version }).collect();
    let (head, tail) = pieces::around(everything(&rest).as_str().to_owned());
    let list = cache.list("", head, tail, &items, |index, text| {
        let (_, volume) = volumes[index];
        // As above, it does not fail.
        _ = serde_json::to_writer(text, &Bare { id: &volume.id, data: &volume.data });
    });
    list.gzip()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use aurochs_api::live::{Everything, LiveMessage};

    use super::*;

    fn volume(id: &str) -> Resource<Volume> {
        let links = [("self".to_owned(), format!("v1/volumes/{id}"))].into();
        Resource { id: id.to_owned(), links, ..Resource::default() }
    }

    fn told(version: u64, item: LiveItem) -> Arc<Told> {
        Arc::new(Told { version, item })
    }

    fn some() -> (Vec<Arc<Told>>, Resource<Node>) {
        let node = Resource { id: "n".to_owned(), ..Resource::<Node>::default() };
        let volumes = ["b", "a"].map(|id| told(1, LiveItem::Volume(Box::new(volume(id)))));
        (volumes.into_iter().chain([told(2, LiveItem::Node(Box::new(node.clone())))]).collect(), node)
    }

    #[test]
    fn it_is_the_message_that_clients_know() {
        let (items, node) = some();
        let wanted = Everything { volumes: vec![volume("a"), volume("b")], nodes: vec![node], ..Everything::default() };
        let read: LiveMessage = serde_json::from_str(&everything(&items)).unwrap();
        assert_eq!(read, LiveMessage::Everything(Box::new(wanted)));
    }

    #[test]
    fn packed_it_says_the_same_without_the_links_of_volumes_and_never_what_was() {
        let read = |file: Bytes| -> LiveMessage {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&*file).read_to_string(&mut text).unwrap();
            assert!(text.starts_with("{\"event\":\"everything\""), "clients know it by that: {text}");
            serde_json::from_str(&text).unwrap()
        };
        let bare = |mut volume: Resource<Volume>| {
            volume.links.clear();
            volume
        };
        let cache = pieces::Cache::default();
        let (mut items, node) = some();
        let mut wanted = Everything {
            volumes: vec![bare(volume("a")), bare(volume("b"))],
            nodes: vec![node],
            ..Everything::default()
        };
        assert_eq!(read(packed(&items, &cache)), LiveMessage::Everything(Box::new(wanted.clone())));
        let mut changed = volume("b");
        changed.data.standby = true;
        items[0] = told(3, LiveItem::Volume(Box::new(changed.clone())));
        wanted.volumes[1] = bare(changed);
        assert_eq!(read(packed(&items, &cache)), LiveMessage::Everything(Box::new(wanted)));
        assert_eq!(read(packed(&[], &cache)), LiveMessage::Everything(Box::default()));
    }
}
