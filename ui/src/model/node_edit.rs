//! A node and its disks while somebody edits them, and the requests that make it so. Order: disks that go are switched off
//! first, then the node, then all its disks.

use aurochs_api::node::{Disk, DiskType, DiskUpdateInput, DiskWish, Node, NodeUpdate};
use aurochs_api::size::{ByteSize, GIB};

use crate::words::{fill, tr};

/// What is typed about a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeDraft {
    pub(crate) allow_scheduling: bool,
    pub(crate) eviction_requested: bool,
    /// With commas between them.
    pub(crate) tags: String,
    /// Thousandths of a processor; 0 takes the setting.
    pub(crate) cpu: String,
}

/// What is typed about one disk.
#[expect(clippy::struct_excessive_bools, reason = "the switches of a form, each on its own")]
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DiskDraft {
    pub(crate) name: String,
    pub(crate) path: String,
    /// Not there yet: name and path are still open.
    pub(crate) is_new: bool,
    pub(crate) is_removed: bool,
    pub(crate) allow_scheduling: bool,
    pub(crate) eviction_requested: bool,
    /// GiB.
    pub(crate) reserved: String,
    pub(crate) tags: String,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Node(NodeUpdate),
    Disks(DiskUpdateInput),
}

impl NodeDraft {
    pub(crate) fn of(node: &Node) -> Self {
        Self {
            allow_scheduling: node.allow_scheduling,
            eviction_requested: node.eviction_requested,
            tags: node.tags.join(", "),
            cpu: node.instance_manager_cpu_request.to_string(),
        }
    }

    pub(crate) fn cpu(&self) -> Result<u32, String> {
        self.cpu.trim().parse().map_err(|_| tr("Give a whole number.").to_owned())
    }

    /// Only what differs is sent, so that what somebody else changed meanwhile stays.
    fn update(&self, node: &Node) -> Result<Option<NodeUpdate>, String> {
        let before = Self::of(node);
        if *self == before {
            return Ok(None);
        }
        let changed = |is: bool| is.then_some(());
        Ok(Some(NodeUpdate {
            // Both together, as the one may not be without the other.
            allow_scheduling: Some(self.allow_scheduling),
            eviction_requested: Some(self.eviction_requested),
            tags: changed(self.tags != before.tags).map(|()| tags(&self.tags)),
            instance_manager_cpu_request: changed(self.cpu != before.cpu).map(|()| self.cpu()).transpose()?,
            ..NodeUpdate::default()
        }))
    }
}

impl DiskDraft {
    pub(crate) fn of(name: &str, disk: &Disk) -> Self {
        Self {
            name: name.to_owned(),
            path: disk.path.clone(),
            allow_scheduling: disk.allow_scheduling,
            eviction_requested: disk.eviction_requested,
            reserved: gib(disk.storage_reserved),
            tags: disk.tags.join(", "),
            ..Self::default()
        }
    }

    pub(crate) fn new_one() -> Self {
        Self { is_new: true, allow_scheduling: true, reserved: "0".to_owned(), ..Self::default() }
    }

    /// The bytes that are meant: those that are there already, to the byte, while nobody touches the figure.
    pub(crate) fn reserved_bytes(&self, before: Option<ByteSize>) -> Result<ByteSize, String> {
        if let Some(before) = before.filter(|before| gib(*before) == self.reserved.trim()) {
            return Ok(before);
        }
        format!("{}Gi", self.reserved.trim())
            .parse()
            .map_err(|_| tr("Give a number of GiB, such as 10 or 0.5.").to_owned())
    }

    /// What is wrong with it, as far as the page can tell.
    pub(crate) fn problem(&self, node: &Node, others: &[Self]) -> Option<String> {
        if self.is_removed {
            return None;
        }
        if self.is_new {
            if self.name.trim().is_empty() {
                return Some(tr("Give the disk a name.").to_owned());
            }
            if others.iter().filter(|other| other.name.trim() == self.name.trim()).count() > 1 {
                return Some(fill("There is a disk named {} already.", &[&self.name.trim()]));
            }
            let path = self.path.trim();
            if !path.starts_with('/') || path.split('/').any(|part| part == "..") || path == "/" {
                return Some(tr("Give an absolute path without \"..\", such as /mnt/ssd.").to_owned());
            }
        }
        let known = node.disks.get(&self.name);
        match self.reserved_bytes(known.map(|disk| disk.storage_reserved)) {
            Err(why) => Some(why),
            Ok(bytes) => {
                let maximum = known.map(|disk| disk.storage_maximum).filter(|size| *size > ByteSize::ZERO)?;
                let unchanged = known.is_some_and(|disk| disk.storage_reserved == bytes);
                (bytes > maximum && !unchanged).then(|| fill("The disk has only {}.", &[&maximum]))
            }
        }
    }

    fn wish(&self, before: Option<&Disk>) -> Result<DiskWish, String> {
        Ok(DiskWish {
            path: self.path.trim().to_owned(),
            disk_type: DiskType::Filesystem,
            disk_driver: before.map(|disk| disk.disk_driver.clone()).unwrap_or_default(),
            allow_scheduling: self.allow_scheduling,
            eviction_requested: self.eviction_requested,
            storage_reserved: self.reserved_bytes(before.map(|disk| disk.storage_reserved))?,
            tags: tags(&self.tags),
        })
    }
}

/// A disk as it is now, to be sent back.
pub(crate) fn as_it_is(disk: &Disk) -> DiskWish {
    DiskWish {
        path: disk.path.clone(),
        disk_type: if disk.disk_type == "block" { DiskType::Block } else { DiskType::Filesystem },
        disk_driver: disk.disk_driver.clone(),
        allow_scheduling: disk.allow_scheduling,
        eviction_requested: disk.eviction_requested,
        storage_reserved: disk.storage_reserved,
        tags: disk.tags.clone(),
    }
}

/// All disks of a node with one changed, or taken away where nothing is given.
pub(crate) fn with_disk(node: &Node, name: &str, wish: Option<DiskWish>) -> DiskUpdateInput {
    let mut disks: std::collections::BTreeMap<String, DiskWish> =
        node.disks.iter().map(|(name, disk)| (name.clone(), as_it_is(disk))).collect();
    match wish {
        Some(wish) => disks.insert(name.to_owned(), wish),
        None => disks.remove(name),
    };
    DiskUpdateInput { disks }
}

/// The requests that make the node what was typed, in their order; none where nothing differs. `opened` are the disks as the
/// form first showed them: those that it never saw stay as they are.
pub(crate) fn plan(
    node: &Node,
    draft: &NodeDraft,
    disks: &[DiskDraft],
    opened: &[DiskDraft],
) -> Result<Vec<Step>, String> {
    let mut whole = with_disk(node, "", None);
    let mut switch_off = whole.clone();
    let (mut changes, mut switches) = (false, false);
    for disk in disks {
        let before = node.disks.get(&disk.name);
        if disk.is_removed {
            // A new one that is taken back never was; one that is gone needs nothing.
            let Some(before) = before.filter(|_| !disk.is_new) else { continue };
            whole.disks.remove(&disk.name);
            changes = true;
            if before.allow_scheduling {
                switch_off.disks.insert(disk.name.clone(), DiskWish { allow_scheduling: false, ..as_it_is(before) });
                switches = true;
            }
        } else if !opened.contains(disk) {
            whole.disks.insert(disk.name.trim().to_owned(), disk.wish(before)?);
            changes = true;
        }
    }
    let first = switches.then_some(Step::Disks(switch_off));
    let last = changes.then_some(Step::Disks(whole));
    Ok(first.into_iter().chain(draft.update(node)?.map(Step::Node)).chain(last).collect())
}

/// Words between commas or spaces, each once.
pub(crate) fn tags(text: &str) -> Vec<String> {
    let words = text.split([',', ' ', '\n']).map(str::trim).filter(|word| !word.is_empty());
    let sorted: std::collections::BTreeSet<String> = words.map(str::to_owned).collect();
    sorted.into_iter().collect()
}

/// GiB with at most two decimals.
fn gib(size: ByteSize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let value = size.bytes() as f64 / GIB as f64;
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        let disk = |path: &str| Disk {
            path: path.into(),
            allow_scheduling: true,
            storage_reserved: ByteSize(GIB + 12_345),
            storage_maximum: ByteSize(100 * GIB),
            ..Disk::default()
        };
        Node {
            name: "node-1".into(),
            allow_scheduling: true,
            tags: vec!["ssd".into()],
            disks: [("a".to_owned(), disk("/a")), ("b".to_owned(), disk("/b"))].into(),
            ..Node::default()
        }
    }

    fn drafts(node: &Node) -> Vec<DiskDraft> {
        node.disks.iter().map(|(name, disk)| DiskDraft::of(name, disk)).collect()
    }

    #[test]
    fn nothing_changed_sends_nothing() {
        let node = node();
        assert!(plan(&node, &NodeDraft::of(&node), &drafts(&node), &drafts(&node)).unwrap().is_empty());
    }

    /// Longhorn's order; sizes that nobody touched go back to the byte.
    #[test]
    fn a_disk_that_goes_is_switched_off_first() {
        let node = node();
        let opened = drafts(&node);
        let mut disks = opened.clone();
        disks[0].is_removed = true;
        disks[1].tags = "fast, fast rack-7".into();
        disks.push(DiskDraft { name: "c".into(), path: "/c".into(), reserved: "1.5".into(), ..DiskDraft::new_one() });
        let draft = NodeDraft { tags: String::new(), ..NodeDraft::of(&node) };
        let steps = plan(&node, &draft, &disks, &opened).unwrap();
        let [Step::Disks(off), Step::Node(update), Step::Disks(whole)] = steps.as_slice() else { panic!("{steps:?}") };
        assert!(!off.disks["a"].allow_scheduling && off.disks["b"].allow_scheduling && off.disks.len() == 2);
        assert_eq!(update.tags.as_deref(), Some(&[][..]));
        assert_eq!(update.instance_manager_cpu_request, None);
        assert_eq!(whole.disks.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(whole.disks["b"].storage_reserved, ByteSize(GIB + 12_345));
        assert_eq!(whole.disks["b"].tags, ["fast", "rack-7"]);
        assert_eq!(whole.disks["c"].storage_reserved, ByteSize(GIB * 3 / 2));
    }

    /// Somebody added a disk while the form was open.
    #[test]
    fn what_the_form_never_saw_stays() {
        let mut node = node();
        let opened = drafts(&node);
        let mut disks = opened.clone();
        disks[0].reserved = "2".into();
        node.disks.insert("later".into(), Disk { path: "/later".into(), ..Disk::default() });
        let steps = plan(&node, &NodeDraft::of(&node), &disks, &opened).unwrap();
        let [Step::Disks(whole)] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!(whole.disks.len(), 3);
        assert_eq!(whole.disks["later"].path, "/later");
    }

    #[test]
    fn what_is_wrong_is_said_while_typing() {
        let node = node();
        let disks = drafts(&node);
        let fresh = |name: &str, path: &str, reserved: &str| DiskDraft {
            name: name.into(),
            path: path.into(),
            reserved: reserved.into(),
            ..DiskDraft::new_one()
        };
        let problem = |disk: DiskDraft| {
            let all: Vec<DiskDraft> = disks.iter().cloned().chain([disk.clone()]).collect();
            disk.problem(&node, &all)
        };
        assert_eq!(problem(fresh("c", "/c", "1")), None);
        for bad in [
            fresh("", "/c", "0"),
            fresh("a", "/c", "0"),
            fresh("c", "c", "0"),
            fresh("c", "/x/../y", "0"),
            fresh("c", "/c", "x"),
        ] {
            assert!(problem(bad.clone()).is_some(), "{bad:?}");
        }
        let large = DiskDraft { reserved: "101".into(), ..disks[0].clone() };
        assert!(large.problem(&node, &disks).unwrap().contains("100 GiB"));
    }
}
