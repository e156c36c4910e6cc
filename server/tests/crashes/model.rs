//! What must be true of the volumes: what was acknowledged, and, where the manager died before it answered, what may be.

use std::collections::{BTreeMap, BTreeSet};

/// Blocks that a volume's content is followed in, each at a MiB of its own; all volumes are at least that large.
pub(crate) const BLOCKS: usize = 16;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused,
    /// The manager died before it answered: done or not.
    Lost,
}

/// The values that something may have: one, unless a request was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Possible<T>(Vec<T>);

impl<T: Clone + PartialEq> Possible<T> {
    pub(crate) fn is(value: T) -> Self {
        Self(vec![value])
    }

    /// A request to make it `value` had this outcome.
    pub(crate) fn after(&mut self, outcome: Outcome, value: T) {
        match outcome {
            Outcome::Done => self.0 = vec![value],
            Outcome::Lost if !self.0.contains(&value) => self.0.push(value),
            Outcome::Lost | Outcome::Refused => {}
        }
    }

    pub(crate) fn admits(&self, value: &T) -> bool {
        self.0.contains(value)
    }

    /// The value, if only one is possible.
    pub(crate) fn certain(&self) -> Option<&T> {
        match self.0.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// It was seen to be this.
    pub(crate) fn settle(&mut self, value: T) {
        self.0 = vec![value];
    }
}

impl<T: std::fmt::Debug> std::fmt::Display for Possible<T> {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [one] => write!(to, "{one:?}"),
            several => write!(to, "one of {several:?}"),
        }
    }
}

/// For each block the marks that it may hold; 0 is never written.
pub(crate) type Content = Vec<BTreeSet<u16>>;

pub(crate) fn empty() -> Content {
    vec![BTreeSet::from([0]); BLOCKS]
}

/// Either of the two, block by block.
pub(crate) fn either(content: &mut Content, other: &Content) {
    for (block, others) in content.iter_mut().zip(other) {
        block.extend(others);
    }
}

/// Where a volume was asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: String,
    /// Without a device, so that it can be reverted.
    pub(crate) maintenance: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct SnapshotModel {
    pub(crate) exists: Possible<bool>,
    /// What it may hold.
    pub(crate) content: Content,
    /// It was only asked for: what is written now may come before it.
    pub(crate) outstanding: bool,
    /// Its resource is known to be there. One that the engine alone has may not have one yet.
    pub(crate) has_resource: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct VolumeModel {
    pub(crate) name: String,
    pub(crate) exists: Possible<bool>,
    pub(crate) mebibytes: Possible<u64>,
    pub(crate) replicas: Possible<u32>,
    pub(crate) place: Possible<Option<Place>>,
    /// Whether it takes part in the recurring job.
    pub(crate) in_job: Possible<bool>,
    pub(crate) content: Content,
    pub(crate) snapshots: BTreeMap<String, SnapshotModel>,
    /// The volume that it is being filled from.
    pub(crate) filled_from: Option<String>,
}

impl VolumeModel {
    pub(crate) fn absent(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            exists: Possible::is(false),
            mebibytes: Possible::is(0),
            replicas: Possible::is(0),
            place: Possible::is(None),
            in_job: Possible::is(false),
            content: empty(),
            snapshots: BTreeMap::new(),
            filled_from: None,
        }
    }

    pub(crate) fn surely_exists(&self) -> bool {
        self.exists.certain() == Some(&true)
    }

    pub(crate) fn surely_attached(&self) -> Option<&Place> {
        self.place.certain().and_then(Option::as_ref)
    }
}

/// Everything.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) volumes: Vec<VolumeModel>,
    pub(crate) job: Possible<bool>,
    pub(crate) settings: BTreeMap<&'static str, Possible<String>>,
    /// Tags of the first node.
    pub(crate) tags: Possible<Vec<String>>,
    /// Whether the last node is being emptied.
    pub(crate) evicted: Possible<bool>,
    /// Whether another node's disk is.
    pub(crate) disk_evicted: Possible<bool>,
}

impl Model {
    /// A volume's block was written, or may have been.
    pub(crate) fn wrote(&mut self, volume: usize, block: usize, mark: u16, surely: bool) {
        let name = self.volumes[volume].name.clone();
        let written = &mut self.volumes[volume];
        if surely {
            written.content[block].clear();
        }
        written.content[block].insert(mark);
        for snapshot in written.snapshots.values_mut().filter(|snapshot| snapshot.outstanding) {
            snapshot.content[block].insert(mark);
        }
        for copy in self.volumes.iter_mut().filter(|copy| copy.filled_from.as_ref() == Some(&name)) {
            copy.content[block].insert(mark);
        }
    }
}
