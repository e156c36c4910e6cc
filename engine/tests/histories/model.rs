//! What the volume and its snapshots may hold, sector by sector.

use std::collections::{BTreeMap, BTreeSet};

use super::SECTORS;

/// Stands for whatever a discard leaves: no promise which of the sector's earlier contents it is, but it stays.
pub(crate) const ANYTHING: u64 = u64::MAX;

/// What a sector may hold: a number in each of its words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sector {
    acknowledged: u64,
    /// Written later, with an outcome that nobody knows.
    maybe: Vec<u64>,
}

impl Sector {
    fn allows(&self, value: u64) -> bool {
        let right = |allowed: &u64| *allowed == value || *allowed == ANYTHING;
        right(&self.acknowledged) || self.maybe.iter().any(right)
    }

    fn values(&self) -> impl Iterator<Item = u64> {
        self.maybe.iter().copied().chain([self.acknowledged])
    }
}

/// What each sector of a snapshot may hold.
#[derive(Clone)]
pub(crate) struct Frozen(Vec<BTreeSet<u64>>);

/// Whether a snapshot is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It is being taken, or nobody knows how that ended.
    Perhaps,
    Taken,
    /// Its removal was asked for, with an outcome that nobody knows.
    PerhapsRemoved,
}

pub(crate) struct Snapshot {
    pub(crate) presence: Presence,
    frozen: Frozen,
    /// It is being taken: whatever is written meanwhile may be in it.
    open: bool,
}

/// The model, shared by clients that each own sectors of their own.
pub(crate) struct Model {
    sectors: Vec<Sector>,
    next: u64,
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
}

/// The number that a sector holds.
fn value_of(bytes: &[u8], who: &str) -> u64 {
    let value = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert!(bytes.chunks(8).all(|word| word == &bytes[..8]), "{who}: a sector is torn: {bytes:?}");
    value
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { sectors: vec![Sector::default(); SECTORS], next: 0, snapshots: BTreeMap::new() }
    }

    /// Checks one sector of a read and settles what it is from now on.
    pub(crate) fn check(&mut self, at: usize, bytes: &[u8], who: &str) {
        let value = value_of(bytes, who);
        let sector = &mut self.sectors[at];
        assert!(sector.allows(value), "{who}: sector {at} holds {value}, expected {sector:?}");
        // Read once, it stays what it is.
        *sector = Sector { acknowledged: value, maybe: Vec::new() };
    }

    /// Something is about to be written; returns its number, a new one if none is given.
    pub(crate) fn begin(&mut self, start: usize, count: usize, value: Option<u64>) -> u64 {
        self.next += 1;
        let value = value.unwrap_or(self.next);
        for at in start..start + count {
            self.sectors[at].maybe.push(value);
            for snapshot in self.snapshots.values_mut().filter(|snapshot| snapshot.open) {
                snapshot.frozen.0[at].insert(value);
            }
        }
        value
    }

    pub(crate) fn acknowledged(&mut self, start: usize, count: usize, value: u64) {
        for sector in &mut self.sectors[start..start + count] {
            *sector = Sector { acknowledged: value, maybe: Vec::new() };
        }
    }

    pub(crate) fn snapshot_begins(&mut self, name: &str) {
        let frozen = Frozen(self.sectors.iter().map(|sector| sector.values().collect()).collect());
        self.snapshots.insert(name.to_owned(), Snapshot { presence: Presence::Perhaps, frozen, open: true });
    }

    pub(crate) fn snapshot_taken(&mut self, name: &str) {
        if let Some(snapshot) = self.snapshots.get_mut(name) {
            snapshot.presence = Presence::Taken;
            snapshot.open = false;
        }
    }

    /// Nothing is under way any more: what is not known now stays so.
    pub(crate) fn nothing_under_way(&mut self) {
        for snapshot in self.snapshots.values_mut() {
            snapshot.open = false;
        }
    }

    /// The names of snapshots that are there for sure.
    pub(crate) fn taken(&self) -> Vec<String> {
        let taken = self.snapshots.iter().filter(|(_, snapshot)| snapshot.presence == Presence::Taken);
        taken.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn set_presence(&mut self, name: &str, presence: Presence) {
        if let Some(snapshot) = self.snapshots.get_mut(name) {
            snapshot.presence = presence;
        }
    }

    /// The volume was put back to a snapshot; `known` says whether that is certain.
    pub(crate) fn reverted(&mut self, name: &str, known: bool) {
        let Some(Snapshot { frozen, .. }) = self.snapshots.get(name) else { return };
        let frozen = frozen.clone();
        // One that is being taken may find the content before or after this.
        for snapshot in self.snapshots.values_mut().filter(|snapshot| snapshot.open) {
            for (allowed, values) in snapshot.frozen.0.iter_mut().zip(&frozen.0) {
                allowed.extend(values);
            }
        }
        for (sector, values) in self.sectors.iter_mut().zip(&frozen.0) {
            if known {
                sector.maybe.clear();
                sector.acknowledged = values.first().copied().unwrap_or(0);
            }
            sector.maybe.extend(values);
        }
    }

    /// Checks what a reader sees from a snapshot, one sector after the other from the first.
    pub(crate) fn check_snapshot<'bytes>(&self, name: &str, sectors: impl Iterator<Item = &'bytes [u8]>, who: &str) {
        let frozen = &self.snapshots[name].frozen;
        for (at, (bytes, allowed)) in sectors.zip(&frozen.0).enumerate() {
            let value = value_of(bytes, who);
            let right = allowed.contains(&value) || allowed.contains(&ANYTHING);
            assert!(right, "{who}: sector {at} of snapshot {name} holds {value}, expected one of {allowed:?}");
        }
    }
}
