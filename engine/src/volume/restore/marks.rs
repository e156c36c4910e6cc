//! What the snapshots of a volume say about the backup that it holds.
//!
//! ```text
//!   older layers ◄── restored snapshot ◄── marker ◄── head
//!                    "I am backup A"       "what is above me is on its way to backup B"
//! ```
//!
//! Invariants:
//! - A snapshot labelled as *restored* shows its backup to the last byte: it is taken when every block was verified,
//!   written to all members and flushed.
//! - While the nearest labelled layer below the head is a *marker*, everything above it belongs to the backup that it
//!   names, and the volume is neither that backup nor the one before. The marker is there before the first block, and
//!   is hidden only by the restored snapshot on top of everything.
//!
//! So one look at the layers tells where a restore was, whatever ended the engine that ran it.
//!
//! A backup is known by its names **and the time when it was complete**: one that was deleted and made again under the same
//! name is another one. Marks of earlier versions have no time. What they name is never taken for the backup that is in
//! the store now, so everything is compared where they stand; that costs reading, and leaves a mark with a time.

use std::collections::{BTreeMap, HashMap};

use super::super::status::snapshot_name;
use crate::replica::LayerInfo;

const RESTORED_BACKUP: &str = "aurochs.io/restored-backup";
const RESTORED_VOLUME: &str = "aurochs.io/restored-volume";
const RESTORED_CREATED: &str = "aurochs.io/restored-backup-created";
const RESTORING_BACKUP: &str = "aurochs.io/restoring-backup";
const RESTORING_VOLUME: &str = "aurochs.io/restoring-volume";
const RESTORING_CREATED: &str = "aurochs.io/restoring-backup-created";

/// A backup, in the words of the backup store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackupName {
    pub(crate) volume: String,
    pub(crate) backup: String,
    /// When it was complete, as its record has it; empty where nobody knows.
    pub(crate) created: String,
}

impl BackupName {
    /// Labels of the snapshot that holds it.
    pub(crate) fn restored(&self) -> BTreeMap<String, String> {
        self.labels([RESTORED_BACKUP, RESTORED_VOLUME, RESTORED_CREATED])
    }

    /// Labels of the snapshot above which it is on its way.
    pub(crate) fn restoring(&self) -> BTreeMap<String, String> {
        self.labels([RESTORING_BACKUP, RESTORING_VOLUME, RESTORING_CREATED])
    }

    /// Whether both are surely one backup. Of one without a time nobody can tell.
    pub(crate) fn is(&self, other: &Self) -> bool {
        !self.created.is_empty() && self == other
    }

    fn labels(&self, [backup, volume, created]: [&str; 3]) -> BTreeMap<String, String> {
        let labels = [(backup, &self.backup), (volume, &self.volume), (created, &self.created)];
        let told = labels.into_iter().filter(|(_, value)| !value.is_empty());
        told.map(|(label, value)| (label.to_owned(), value.clone())).collect()
    }

    fn of(labels: &BTreeMap<String, String>, [backup, volume, created]: [&str; 3]) -> Option<Self> {
        let created = labels.get(created).cloned().unwrap_or_default();
        Some(Self { volume: labels.get(volume)?.clone(), backup: labels.get(backup)?.clone(), created })
    }
}

/// A labelled snapshot of the live chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) snapshot: String,
    pub(crate) of: BackupName,
}

/// What the labels of the live chain say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The nearest snapshot that holds a backup.
    pub(crate) restored: Option<Mark>,
    /// The marker above it, if that is the nearest labelled one: a restore is not complete.
    pub(crate) restoring: Option<Mark>,
    /// The other labelled snapshots, which nobody needs any more.
    pub(crate) older: Vec<String>,
    /// Markers that hold nothing and stand on nothing, as the first restore into a volume leaves one. Nothing would be
    /// given back with them, and a purge would copy the whole volume into their place.
    pub(crate) idle: Vec<String>,
    /// A user's snapshot, or data, lies above the nearest labelled snapshot; without one, anywhere.
    pub(crate) has_other_data: bool,
}

impl Marks {
    /// What the layers of a member say; of its live chain, from the head down.
    pub(crate) fn of(layers: &[LayerInfo]) -> Self {
        let mut marks = Self::default();
        let chain = chain(layers);
        let holding = chain.iter().rposition(|layer| layer.allocated_bytes > 0).map_or(0, |at| at + 1);
        for (at, layer) in chain.into_iter().enumerate() {
            let snapshot = || snapshot_name(&layer.file_name).to_owned();
            // A user's own labels say nothing.
            let speaks = !layer.removed && !layer.user_created;
            let restored = BackupName::of(&layer.labels, [RESTORED_BACKUP, RESTORED_VOLUME, RESTORED_CREATED]);
            let restored = restored.filter(|_| speaks);
            let restoring = BackupName::of(&layer.labels, [RESTORING_BACKUP, RESTORING_VOLUME, RESTORING_CREATED]);
            let restoring = restoring.filter(|_| speaks);
            match (restored, restoring) {
                (Some(of), _) if marks.restored.is_none() => marks.restored = Some(Mark { snapshot: snapshot(), of }),
                (None, Some(of)) if marks.restored.is_none() && marks.restoring.is_none() => {
                    marks.restoring = Some(Mark { snapshot: snapshot(), of });
                }
                (None, None) if marks.restored.is_none() && marks.restoring.is_none() => {
                    marks.has_other_data |= layer.allocated_bytes > 0 || (layer.user_created && !layer.removed);
                }
                (None, None) => {}
                (None, Some(_)) if at >= holding => marks.idle.push(snapshot()),
                _ => marks.older.push(snapshot()),
            }
        }
        if marks.restoring.is_some() {
            // Whatever is above a marker belongs to its backup.
            marks.has_other_data = false;
        }
        marks
    }

    /// The snapshots that a purge has to leave, although no user took them: what tells which backup this volume is, as
    /// long as that is so, and where a restore goes on from.
    pub(crate) fn needed(&self) -> Vec<&str> {
        let restored = self.restored.as_ref().filter(|_| self.restoring.is_some() || !self.has_other_data);
        let marks = restored.into_iter().chain(self.restoring.as_ref()).map(|mark| &mark.snapshot);
        marks.chain(&self.idle).map(String::as_str).collect()
    }
}

/// The live chain, the head first. Ends where a parent is not there, or comes again.
fn chain(layers: &[LayerInfo]) -> Vec<&LayerInfo> {
    let by_name: HashMap<&str, &LayerInfo> = layers.iter().map(|layer| (layer.file_name.as_str(), layer)).collect();
    let mut found: Vec<&LayerInfo> = Vec::new();
    let mut next = layers.iter().find(|layer| layer.is_head);
    while let Some(layer) = next.filter(|_| found.len() < layers.len()) {
        found.push(layer);
        next = by_name.get(layer.parent.as_str()).copied();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(backup: &str) -> BackupName {
        BackupName { volume: "v".to_owned(), backup: backup.to_owned(), created: format!("time of {backup}") }
    }

    /// Layers from the root to the head: file name, labels, bytes.
    fn layers(described: &[(&str, BTreeMap<String, String>, u64)]) -> Vec<LayerInfo> {
        let mut parent = String::new();
        let mut layers = Vec::new();
        for (at, (name, labels, bytes)) in described.iter().enumerate() {
            let is_head = at + 1 == described.len();
            let file_name = if is_head { "volume-head-001.img".to_owned() } else { format!("volume-snap-{name}.img") };
            layers.push(LayerInfo {
                file_name: file_name.clone(),
                parent: std::mem::replace(&mut parent, file_name),
                removed: false,
                user_created: name.starts_with("user"),
                created: String::new(),
                file_size: 1 << 20,
                allocated_bytes: *bytes,
                is_head,
                labels: labels.clone(),
                image_missing: false,
            });
        }
        layers
    }

    fn none() -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    #[test]
    fn a_new_volume_says_nothing_and_a_used_one_has_other_data() {
        assert_eq!(Marks::of(&layers(&[("head", none(), 0)])), Marks::default());
        assert_eq!(Marks::of(&layers(&[("expand-9", none(), 0), ("head", none(), 0)])), Marks::default());
        assert!(Marks::of(&layers(&[("head", none(), 4096)])).has_other_data);
        assert!(Marks::of(&layers(&[("rebuild", none(), 4096), ("head", none(), 0)])).has_other_data);
        assert!(Marks::of(&layers(&[("user", none(), 0), ("head", none(), 0)])).has_other_data);
    }

    #[test]
    fn a_complete_restore_is_known_until_the_volume_is_written() {
        let at = |bytes| Marks::of(&layers(&[("a", name("b1").restored(), 4096), ("head", none(), bytes)]));
        let untouched = at(0);
        assert_eq!(untouched.restored, Some(Mark { snapshot: "a".to_owned(), of: name("b1") }));
        assert!(!untouched.has_other_data && untouched.restoring.is_none());
        assert_eq!(untouched.needed(), ["a"], "a purge would take what tells which backup it is");
        assert!(at(4096).has_other_data);
        assert!(at(4096).needed().is_empty(), "its data goes on in the layers above");
    }

    #[test]
    fn a_backup_made_again_under_its_name_is_another_one() {
        let again = BackupName { created: "later".to_owned(), ..name("b1") };
        let told = |of: &BackupName| {
            let found = Marks::of(&layers(&[("a", of.restored(), 4096), ("head", none(), 0)]));
            found.restored.unwrap().of
        };
        assert_eq!((told(&name("b1")), told(&again)), (name("b1"), again.clone()));
        assert!(name("b1").is(&name("b1")) && !again.is(&name("b1")));
        let mut old = name("b1").restored();
        old.remove(RESTORED_CREATED);
        let found = Marks::of(&layers(&[("a", old, 4096), ("head", none(), 0)])).restored.unwrap().of;
        assert_eq!((found.backup.as_str(), found.created.as_str()), ("b1", ""), "marks without a time are read");
        assert!(!found.is(&name("b1")) && !found.is(&found), "and nobody can tell which one it was");
    }

    #[test]
    fn a_marker_says_that_a_restore_is_not_complete() {
        let half = [
            ("a", name("b1").restored(), 4096),
            ("m", name("b2").restoring(), 0),
            ("expand-9", none(), 4096),
            ("head", none(), 4096),
        ];
        let marks = Marks::of(&layers(&half));
        assert_eq!(marks.restored.as_ref().map(|mark| &mark.of), Some(&name("b1")));
        assert_eq!(marks.restoring.as_ref().map(|mark| &mark.of), Some(&name("b2")));
        assert!(!marks.has_other_data);
        assert_eq!(marks.needed(), ["a", "m"]);
    }

    #[test]
    fn what_a_complete_restore_stands_on_is_needed_no_more() {
        let complete = [
            ("a", name("b1").restored(), 4096),
            ("m", name("b2").restoring(), 0),
            ("c", name("b2").restored(), 4096),
            ("head", none(), 0),
        ];
        let marks = Marks::of(&layers(&complete));
        assert_eq!(marks.restored.as_ref().map(|mark| &mark.of), Some(&name("b2")));
        assert_eq!(
            (marks.restoring.as_ref(), marks.older.as_slice()),
            (None, ["m".to_owned(), "a".to_owned()].as_slice())
        );
        assert_eq!(marks.needed(), ["c"]);
    }

    #[test]
    fn an_empty_marker_at_the_root_is_left_alone() {
        let full = [
            ("m", name("b0").restoring(), 0),
            ("n", name("b1").restoring(), 0),
            ("a", name("b1").restored(), 4096),
            ("o", name("b2").restoring(), 0),
            ("b", name("b2").restored(), 0),
            ("head", none(), 0),
        ];
        let marks = Marks::of(&layers(&full));
        assert_eq!(marks.older, ["o", "a"], "a merge of these copies what is above them, which is little");
        assert_eq!(marks.idle, ["n", "m"]);
        assert_eq!(marks.needed(), ["b", "n", "m"]);
    }

    #[test]
    fn removed_snapshots_tell_nothing_and_a_broken_chain_ends() {
        let mut found = layers(&[("a", name("b1").restored(), 4096), ("head", none(), 0)]);
        found[0].removed = true;
        assert!(Marks::of(&found).restored.is_none() && Marks::of(&found).has_other_data);
        found[0].parent = "volume-head-001.img".to_owned();
        assert!(Marks::of(&found).restored.is_none(), "and nobody goes round in circles");
    }
}
