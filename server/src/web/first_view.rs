//! What the page says before its program has come, which on a slow link takes seconds: how the volumes are, how much space there
//! is. The program replaces it by the same facts with everything that can be done about them.

use aurochs_api::live::LiveItem;
use aurochs_api::node::{Node, Space};
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::Volume;
use aurochs_api::volume::phase::{Group, Phase};
use axum::http::HeaderMap;

use super::live::Live;
use super::words::Words;

/// Volumes that a first view lists: more than a screen has.
const ROWS: usize = 60;

/// The facts of one page.
#[derive(Clone, Debug)]
pub(super) struct FirstView {
    pub(super) words: Words,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Overview(Overview),
    Volumes(Vec<Row>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Overview {
    pub(super) space: Space,
    pub(super) nodes: usize,
    groups: [usize; Group::ALL.len()],
}

/// A volume of the list.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) size: ByteSize,
    pub(super) group: Group,
}

impl FirstView {
    /// Of the page at `path`; none for pages that begin with something else, and as long as the manager itself knows nothing.
    pub(super) fn of(path: &str, headers: &HeaderMap, live: &Live) -> Option<Self> {
        let make: fn(&[&LiveItem]) -> Content = match path.trim_matches('/') {
            "" | "dashboard" => |items| Content::Overview(Overview::of(items)),
            "volumes" => |items| Content::Volumes(rows(items)),
            _ => return None,
        };
        live.look(|items| {
            let knows = items.iter().any(|item| matches!(item, LiveItem::Node(_) | LiveItem::Volume(_)));
            knows.then(|| Self { words: Words::asked_for(headers), content: make(items) })
        })
    }
}

impl Overview {
    fn of(items: &[&LiveItem]) -> Self {
        let nodes: Vec<&Node> = items.iter().filter_map(|item| node(item)).collect();
        let groups = Group::counts(volumes(items).map(|volume| &volume.data));
        Self { space: Space::of(nodes.iter().copied()), nodes: nodes.len(), groups }
    }

    pub(super) fn volumes(&self) -> usize {
        self.groups.iter().sum()
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = (Group, usize)> {
        Group::ALL.into_iter().zip(self.groups)
    }

    pub(super) fn parts(&self) -> [(&'static str, ByteSize); 4] {
        let Space { schedulable, reserved, used, disabled, .. } = self.space;
        [("Schedulable", schedulable), ("Reserved", reserved), ("Used", used), ("Disabled", disabled)]
    }
}

fn node<'a>(item: &&'a LiveItem) -> Option<&'a Node> {
    match item {
        LiveItem::Node(node) => Some(&node.data),
        _ => None,
    }
}

fn volumes<'a>(items: &[&'a LiveItem]) -> impl Iterator<Item = &'a Resource<Volume>> {
    items.iter().filter_map(|item| match item {
        LiveItem::Volume(volume) => Some(&**volume),
        _ => None,
    })
}

/// The first volumes by name.
fn rows(items: &[&LiveItem]) -> Vec<Row> {
    let mut volumes: Vec<_> = volumes(items).collect();
    volumes.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let row = |volume: &Resource<Volume>| Row {
        name: volume.id.clone(),
        size: volume.data.size,
        group: Phase::of(&volume.data).group(),
    };
    volumes.into_iter().take(ROWS).map(row).collect()
}

#[cfg(test)]
mod tests {
    use aurochs_api::node::Disk;
    use aurochs_api::volume::{Robustness, VolumeState};

    use super::*;

    fn volume(name: &str, state: VolumeState, robustness: Robustness) -> LiveItem {
        let data = Volume { name: name.to_owned(), size: ByteSize(1 << 30), state, robustness, ..Volume::default() };
        LiveItem::Volume(Box::new(Resource { id: name.to_owned(), data, ..Resource::default() }))
    }

    #[test]
    fn the_overview_counts_what_there_is() {
        let disk = Disk { allow_scheduling: true, storage_maximum: ByteSize(10 << 30), ..Disk::default() };
        let node = Node { allow_scheduling: true, disks: [("d".to_owned(), disk)].into(), ..Node::default() };
        let items = [
            volume("b", VolumeState::Attached, Robustness::Healthy),
            volume("a", VolumeState::Attached, Robustness::Degraded),
            volume("c", VolumeState::Detached, Robustness::Unknown),
            LiveItem::Node(Box::new(Resource { data: node, ..Resource::default() })),
        ];
        let items: Vec<_> = items.iter().collect();
        let overview = Overview::of(&items);
        assert_eq!((overview.nodes, overview.volumes(), overview.space.total), (1, 3, ByteSize(10 << 30)));
        let counted: Vec<_> = overview.groups().filter(|(_, count)| *count == 1).map(|(group, _)| group).collect();
        assert_eq!(counted, [Group::Healthy, Group::Degraded, Group::Detached]);
        let names: Vec<_> = rows(&items).into_iter().map(|row| (row.name, row.group)).collect();
        let listed = [("a", Group::Degraded), ("b", Group::Healthy), ("c", Group::Detached)];
        assert_eq!(names, listed.map(|(name, group)| (name.to_owned(), group)));
    }
}
