//! What the engine tells about its volume.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::exclusive_work::Work;
use super::membership::{Mode, Settlement, View};
use super::{Shared, Volume, snapshot_labels};
use crate::grpc::engine_v1::{EngineState, EngineStatus, Replica, ReplicaMode, Snapshot};
use crate::link::control::{ControlReply, ControlRequest};
use crate::replica::LayerInfo;
use aurochs_api::ids::VOLUME_HEAD;

/// How often sizes of layers are looked at while the volume is being written.
const REFRESH_INTERVAL: Duration = Duration::from_secs(2);

/// The layers of one member, as last asked.
pub(crate) struct LayerCache {
    known: Mutex<Known>,
    asking: tokio::sync::Mutex<()>,
}

struct Known {
    layers: Arc<Vec<LayerInfo>>,
    /// Changes of layers that are under way on the members.
    changing: u32,
    /// Changes that have ever begun.
    begun: u64,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    News,
    Same,
    /// Layers changed after the question.
    TooOld,
}

/// While it lives, members may differ in their layers: some have done what others are still doing.
pub(crate) struct Changing<'a>(&'a LayerCache);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.lock().changing -= 1;
    }
}

impl LayerCache {
    pub(crate) fn new(layers: Vec<LayerInfo>) -> Self {
        let known = Known { layers: Arc::new(layers), changing: 0, begun: 0 };
        Self { known: Mutex::new(known), asking: tokio::sync::Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self) -> Arc<Vec<LayerInfo>> {
        Arc::clone(&self.lock().layers)
    }

    /// All members are about to be told to change their layers. What one of them answers from now on until all have done
    /// it is not told: whoever hears of a snapshot believes that the volume has it, and the member may be lost before
    /// another one has it.
    pub(crate) fn changing(&self) -> Changing<'_> {
        let mut known = self.lock();
        known.changing += 1;
        known.begun += 1;
        Changing(self)
    }

    /// To be asked for before a member is: which changes had begun, unless one is under way.
    fn before_asking(&self) -> Option<u64> {
        let known = self.lock();
        (known.changing == 0).then_some(known.begun)
    }

    /// Keeps an answer, unless a change has begun since `asked`.
    fn set(&self, layers: Vec<LayerInfo>, asked: u64) -> Kept {
        let mut known = self.lock();
        if known.begun != asked {
            return Kept::TooOld;
        }
        if *known.layers == layers {
            return Kept::Same;
        }
        known.layers = Arc::new(layers);
        Kept::News
    }
}

/// Files from the head to the root.
pub(crate) fn chain_length(layers: &[LayerInfo]) -> usize {
    let by_name: HashMap<&str, &LayerInfo> = layers.iter().map(|layer| (layer.file_name.as_str(), layer)).collect();
    let mut length = 0;
    let mut next = layers.iter().find(|layer| layer.is_head);
    while let Some(layer) = next {
        length += 1;
        if length > layers.len() {
            break;
        }
        next = by_name.get(layer.parent.as_str()).copied();
    }
    length
}

impl Shared {
    /// Asks a member for its layers. A failure leaves what was known, and so does a change that members are making
    /// meanwhile: it is looked at when all have made it.
    /// Whether what is known now is what a member said after this was called.
    pub(crate) async fn refresh_layers(&self) -> bool {
        // One after the other: an earlier answer that comes late must not replace a later one.
        let _turn = self.layers.asking.lock().await;
        let Some(asked) = self.layers.before_asking() else { return false };
        let view = self.membership.view();
        for link in super::read_choice::in_order(&view, &self.membership.read_turn) {
            match link.control(&ControlRequest::Layers).await {
                Ok(ControlReply::Layers(layers)) => {
                    let outcome = self.layers.set(layers, asked);
                    if outcome == Kept::News {
                        self.changed.tell();
                    }
                    return outcome != Kept::TooOld;
                }
                Ok(other) => {
                    tracing::warn!(replica = link.name(), ?other, "unexpected answer to a question for layers")
                }
                Err(error) => tracing::debug!(%error, "could not ask for layers"),
            }
        }
        false
    }
}

/// Keeps the sizes of layers current while there are writes.
pub(crate) async fn run_refresh(shared: Arc<Shared>) {
    let mut seen = u64::MAX;
    loop {
        let now = shared.counters.modifications();
        if now != seen {
            seen = now;
            shared.refresh_layers().await;
        }
        tokio::time::sleep(REFRESH_INTERVAL).await;
    }
}

/// A replica that does not tell its layers in this time is not waited for; the sizes are those of a moment ago.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// A change of layers is over soon.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Volume {
    /// Brings the sizes of layers up to date. False: they are those of an earlier moment, because no replica told them in
    /// time, or a change of layers took longer.
    pub async fn look_at_layers(&self) -> bool {
        let looking = async {
            while !self.shared.refresh_layers().await {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(LOOK_TIMEOUT, looking).await.is_ok()
    }

    /// The status but for what the frontends know (kind, endpoint).
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        let shared = &self.shared;
        let view = shared.membership.view();
        let (state, cause) = match shared.membership.settlement() {
            Settlement::Settled => (EngineState::Running, String::new()),
            Settlement::Recording(cause) => (EngineState::Running, cause),
            Settlement::Over(error) => (EngineState::Failed, error.message),
        };
        // What runs is looked at before what it changes: whoever sees that it is over sees what it left.
        let work = shared.work.running();
        let clone = shared.clones.status();
        let restore = shared.lazy.status().or_else(|| shared.restores.status());
        let marks = shared.marks();
        let expansion = shared.expansion.shown();
        let layers = shared.layers.get();
        let limits = shared.snapshot_limits.get();
        EngineStatus {
            volume: shared.name.clone(),
            state: state.into(),
            cause,
            size_bytes: shared.size(),
            epoch: view.record.epoch.0,
            generation: view.record.generation.0,
            replicas: replicas(&view),
            snapshots: snapshots(&layers),
            rebuilds: shared.rebuilds.list(),
            rebuild_pace: Some(shared.rebuilds.shown_pace()),
            actual_size_bytes: layers.iter().map(|layer| layer.allocated_bytes).sum(),
            io: Some(shared.counters.snapshot()),
            io_latencies: Some(shared.counters.latencies()),
            checksums: Some(shared.repairs.status()),
            reconcile_regions_left: shared.unequal.left(),
            is_expanding: expansion.running,
            last_expansion_error: expansion.last_error,
            last_expansion_failed_at: expansion.last_failed_at,
            snapshot_max_count: limits.max_count,
            snapshot_max_size_bytes: limits.max_size_bytes,
            clone,
            backups: shared.backups.list(),
            restore,
            last_restored_backup: marks.restored.as_ref().map(|mark| mark.of.backup.clone()).unwrap_or_default(),
            last_restored_created: marks.restored.as_ref().map(|mark| mark.of.created.clone()).unwrap_or_default(),
            last_restored_volume: marks.restored.map(|mark| mark.of.volume).unwrap_or_default(),
            unfinished_restore: marks.restoring.map(|mark| mark.of.backup).unwrap_or_default(),
            hash: shared.hashes.last(),
            salvage: shared.salvaged.clone(),
            purges: shared.purges.list(),
            unmap_mark_snap_chain_removed: shared.unmap_chain.is_on(),
            exclusive_work: work.map_or("", Work::noun).to_owned(),
            ..EngineStatus::default()
        }
    }
}

fn replicas(view: &View) -> Vec<Replica> {
    let members = view.members.iter().map(|member| Replica {
        name: member.link.name().to_owned(),
        address: member.link.address().to_string(),
        mode: match member.mode {
            Mode::ReadWrite => ReplicaMode::Rw.into(),
            Mode::WriteOnly | Mode::Promoting => ReplicaMode::Wo.into(),
        },
        cause: String::new(),
    });
    let failed = view.failed.iter().map(|(name, cause)| Replica {
        name: name.clone(),
        address: String::new(),
        mode: ReplicaMode::Err.into(),
        cause: cause.clone(),
    });
    members.chain(failed).collect()
}

/// Layers in the words of users: names without prefix and suffix, children beside parents.
fn snapshots(layers: &[LayerInfo]) -> Vec<Snapshot> {
    let mut children: BTreeMap<&str, std::collections::HashMap<String, bool>> = BTreeMap::new();
    for layer in layers.iter().filter(|layer| !layer.parent.is_empty()) {
        children.entry(&layer.parent).or_default().insert(name_of(layer), true);
    }
    let mut snapshots: Vec<Snapshot> = layers
        .iter()
        .map(|layer| Snapshot {
            name: name_of(layer),
            parent: snapshot_name(&layer.parent).to_owned(),
            children: children.remove(layer.file_name.as_str()).unwrap_or_default(),
            removed: layer.removed,
            user_created: layer.user_created,
            created: layer.created.clone(),
            size_bytes: layer.allocated_bytes,
            labels: snapshot_labels::shown(&layer.labels),
            image_missing: layer.image_missing,
        })
        .collect();
    snapshots.sort_by(|a, b| a.name.cmp(&b.name));
    snapshots
}

fn name_of(layer: &LayerInfo) -> String {
    if layer.is_head { VOLUME_HEAD.to_owned() } else { snapshot_name(&layer.file_name).to_owned() }
}

/// The name that users know a layer by.
pub(crate) fn snapshot_name(file_name: &str) -> &str {
    let name = file_name.strip_prefix("volume-snap-").unwrap_or(file_name);
    name.strip_suffix(".img").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(names: &[&str]) -> Vec<LayerInfo> {
        let layer = |name: &&str| LayerInfo {
            file_name: (*name).to_owned(),
            parent: String::new(),
            removed: false,
            user_created: true,
            created: String::new(),
            file_size: 1 << 20,
            allocated_bytes: 0,
            is_head: false,
            labels: BTreeMap::new(),
            image_missing: false,
        };
        names.iter().map(layer).collect()
    }

    #[test]
    fn what_only_some_members_have_done_is_not_told() {
        let cache = LayerCache::new(layers(&["a"]));
        let before = cache.before_asking().unwrap();
        let change = cache.changing();
        assert_eq!(cache.before_asking(), None, "nobody is asked while members differ");
        assert_eq!(cache.set(layers(&["a", "b"]), before), Kept::TooOld, "asked before the change, answered within it");
        drop(change);
        assert_eq!(cache.set(layers(&["a", "b"]), before), Kept::TooOld, "asked before the change, answered after it");
        assert_eq!(*cache.get(), layers(&["a"]));
        let after = cache.before_asking().unwrap();
        assert_eq!(cache.set(layers(&["a", "b"]), after), Kept::News, "asked when all have done it");
        assert_eq!(cache.set(layers(&["a", "b"]), after), Kept::Same);
    }
}
