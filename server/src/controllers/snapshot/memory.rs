//! What the snapshot controller remembers between passes: what was refused or failed lately, so that nothing is tried in a
//! tight loop, and what it started. Forgetting it (a restart) costs one attempt too early, nothing else.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Uid of a resource to the engine's refusals to take its snapshot.
    takes: Mutex<HashMap<String, Rest>>,
    /// Volume to the purge that is wanted and was tried.
    purges: Mutex<HashMap<String, Purging>>,
    /// Volume to the hash that was started here.
    hashes: Mutex<HashMap<String, Hashing>>,
    /// Engine to its node and when heavy work was started on it; its status tells of it a moment later.
    heavy: Mutex<HashMap<String, (String, Instant)>>,
    /// Held from counting heavy work to starting more: two that count at once would both see the same free place.
    pub counting: tokio::sync::Mutex<()>,
}

/// Something that failed some times in a row.
#[derive(Clone, Copy, Debug)]
struct Rest {
    failures: u32,
    last: Instant,
}

impl Rest {
    fn after(before: Option<&Self>) -> Self {
        Self { failures: before.map_or(0, |rest| rest.failures) + 1, last: Instant::now() }
    }

    /// What is left of the pause: doubled with each failure, capped.
    fn left(&self, first: Duration, longest: Duration) -> Option<Duration> {
        let pause = first.saturating_mul(1 << (self.failures.max(1) - 1).min(16)).min(longest);
        pause.checked_sub(self.last.elapsed()).filter(|left| !left.is_zero())
    }
}

#[derive(Clone, Debug)]
struct Purging {
    wanted: BTreeSet<String>,
    rest: Rest,
    /// Its failure was told.
    told: bool,
}

#[derive(Clone, Debug)]
struct Hashing {
    /// The snapshot whose result is waited for.
    snapshot: Option<String>,
    rest: Option<Rest>,
}

/// A refusal that may end by itself (another operation runs) is soon over; one that does not (no space) costs little.
const TAKE_PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// A purge works on whole disks.
const PURGE_PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));
const HASH_PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// An engine tells what it works on within this time.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    // === taking ===

    pub(super) fn rest_take(&self, uid: &str) {
        let mut takes = lock(&self.takes);
        let rest = Rest::after(takes.get(uid));
        takes.insert(uid.to_owned(), rest);
    }

    pub(super) fn take_again(&self, uid: &str) {
        lock(&self.takes).remove(uid);
    }

    pub(super) fn take_pause(&self, uid: &str) -> Option<Duration> {
        lock(&self.takes).get(uid)?.left(TAKE_PAUSES.0, TAKE_PAUSES.1)
    }

    // === purges ===

    /// A purge for these snapshots begins or was refused.
    pub(super) fn note_purge(&self, volume: &str, wanted: &BTreeSet<String>) {
        let mut purges = lock(&self.purges);
        let before = purges.get(volume).filter(|before| before.wanted == *wanted).map(|before| before.rest);
        let purging = Purging { wanted: wanted.clone(), rest: Rest::after(before.as_ref()), told: false };
        purges.insert(volume.to_owned(), purging);
    }

    /// How long a purge for the same snapshots rests: the last one left them.
    pub(super) fn purge_pause(&self, volume: &str, wanted: &BTreeSet<String>) -> Option<Duration> {
        let purges = lock(&self.purges);
        let before = purges.get(volume).filter(|before| before.wanted == *wanted)?;
        before.rest.left(PURGE_PAUSES.0, PURGE_PAUSES.1)
    }

    /// A purge of the volume runs: its rest begins with its end.
    pub(super) fn purge_runs(&self, volume: &str) {
        if let Some(purge) = lock(&self.purges).get_mut(volume) {
            purge.rest.last = Instant::now();
        }
    }

    /// How long the purge of a detached volume rests: the last one left something.
    pub(super) fn purge_rests(&self, volume: &str) -> Option<Duration> {
        lock(&self.purges).get(volume)?.rest.left(PURGE_PAUSES.0, PURGE_PAUSES.1)
    }

    /// Everything that was wanted is gone.
    pub(super) fn purge_done(&self, volume: &str) {
        lock(&self.purges).remove(volume);
    }

    /// True once for each purge that was started here.
    pub(super) fn tell_purge(&self, volume: &str) -> bool {
        lock(&self.purges).get_mut(volume).is_some_and(|purge| !std::mem::replace(&mut purge.told, true))
    }

    pub(super) fn note_heavy(&self, engine: &str, node: &str) {
        lock(&self.heavy).insert(engine.to_owned(), (node.to_owned(), Instant::now()));
    }

    /// Engines on the node that were asked for heavy work a moment ago.
    pub(super) fn heavy_on(&self, node: &str) -> BTreeSet<String> {
        let mut heavy = lock(&self.heavy);
        heavy.retain(|_, (_, since)| since.elapsed() < HEARD_WITHIN);
        heavy.iter().filter(|(_, (on, _))| on == node).map(|(engine, _)| engine.clone()).collect()
    }

    // === hashes ===

    pub(super) fn note_hash(&self, volume: &str, snapshot: &str) {
        let mut hashes = lock(&self.hashes);
        let rest = hashes.get(volume).and_then(|before| before.rest);
        hashes.insert(volume.to_owned(), Hashing { snapshot: Some(snapshot.to_owned()), rest });
    }

    /// Whether the result of this snapshot's hash is waited for.
    pub(super) fn awaits_hash(&self, volume: &str, snapshot: &str) -> bool {
        lock(&self.hashes).get(volume).is_some_and(|hashing| hashing.snapshot.as_deref() == Some(snapshot))
    }

    pub(super) fn hash_done(&self, volume: &str) {
        lock(&self.hashes).remove(volume);
    }

    pub(super) fn rest_hash(&self, volume: &str) {
        let mut hashes = lock(&self.hashes);
        let before = hashes.get(volume).and_then(|before| before.rest);
        hashes.insert(volume.to_owned(), Hashing { snapshot: None, rest: Some(Rest::after(before.as_ref())) });
    }

    pub(super) fn hash_pause(&self, volume: &str) -> Option<Duration> {
        lock(&self.hashes).get(volume)?.rest?.left(HASH_PAUSES.0, HASH_PAUSES.1)
    }

    /// The volume is gone, and these of its snapshots.
    pub(super) fn forget<'a>(&self, volume: &str, uids: impl Iterator<Item = &'a str>) {
        lock(&self.purges).remove(volume);
        lock(&self.hashes).remove(volume);
        uids.for_each(|uid| self.take_again(uid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_rests_longer_each_time_up_to_a_cap() {
        let after = |failures| Rest { failures, last: Instant::now() };
        let pause = |failures| after(failures).left(TAKE_PAUSES.0, TAKE_PAUSES.1).unwrap();
        assert!(pause(2) > pause(1) && pause(1) > Duration::from_secs(4));
        assert!(pause(60) <= TAKE_PAUSES.1);
    }

    #[test]
    fn another_purge_does_not_wait_for_the_pause_of_the_one_before() {
        let memory = Memory::default();
        let (one, two) = (BTreeSet::from(["a".to_owned()]), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        memory.note_purge("v", &one);
        assert!(memory.purge_pause("v", &one).is_some());
        assert_eq!(memory.purge_pause("v", &two), None);
        assert!(memory.tell_purge("v") && !memory.tell_purge("v"));
        memory.purge_done("v");
        assert_eq!(memory.purge_pause("v", &one), None);
    }
}
