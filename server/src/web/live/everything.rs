//! The first message of a client of the live stream: [`LiveMessage::Everything`], written without copying what it holds.
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
use serde::Serialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum Message<'a> {
    Everything(Box<Everything<'a>>),
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Everything<'a> {
    volumes: Vec<&'a Resource<Volume>>,
    nodes: Vec<&'a Resource<Node>>,
    instance_managers: Vec<&'a Resource<InstanceManager>>,
    settings: Vec<&'a Resource<Setting>>,
    jobs: Vec<&'a Resource<Job>>,
}

/// The text, sorted by name so that lists don't jump when a page is loaded again.
pub(super) fn everything(items: &[Arc<LiveItem>]) -> Utf8Bytes {
    let mut all = Everything::default();
    for item in items {
        match &**item {
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

#[cfg(test)]
mod tests {
    use aurochs_api::live::{Everything, LiveMessage};

    use super::*;

    #[test]
    fn it_is_the_message_that_clients_know() {
        let volume = |id: &str| Resource { id: id.to_owned(), ..Resource::<Volume>::default() };
        let items = ["b", "a"].map(|id| Arc::new(LiveItem::Volume(Box::new(volume(id)))));
        let node = Resource { id: "n".to_owned(), ..Resource::<Node>::default() };
        let items: Vec<_> = items.into_iter().chain([Arc::new(LiveItem::Node(Box::new(node.clone())))]).collect();
        let wanted = Everything { volumes: vec![volume("a"), volume("b")], nodes: vec![node], ..Everything::default() };
        let read: LiveMessage = serde_json::from_str(&everything(&items)).unwrap();
        assert_eq!(read, LiveMessage::Everything(Box::new(wanted)));
    }
}
