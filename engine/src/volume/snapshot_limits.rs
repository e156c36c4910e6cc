//! How many snapshots a volume may have, and how much space they may take.
//!
//! | limit | counts | default |
//! |---|---|---|
//! | `max_count` | live snapshots (not marked removed), those of rebuilds and expansions included | 250 |
//! | `max_size_bytes` | allocated bytes of the head and of live snapshots together | none |
//! | chain | files from the head to the root after the snapshot, removed ones included | 250, fixed: longer ones don't open |
//!
//! Every snapshot is checked twice: before the barrier, so that a refusal costs nobody a pause, and under it, where
//! nothing else can take the last place.

use std::sync::{Mutex, PoisonError};

use super::barrier::{CHAIN_MAXIMUM, OperationError};
use super::status::chain_length;
use super::{Shared, Volume};
use crate::replica::LayerInfo;

/// Longhorn's default, and the most that can be: a chain has no more files.
pub const DEFAULT_COUNT: u32 = 250;

/// Limits of one volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotLimits {
    /// Live snapshots that there may be.
    pub max_count: u32,
    /// Allocated bytes of the head and of live snapshots together; 0 for no limit.
    pub max_size_bytes: u64,
}

impl Default for SnapshotLimits {
    fn default() -> Self {
        Self { max_count: DEFAULT_COUNT, max_size_bytes: 0 }
    }
}

impl SnapshotLimits {
    /// As requests give them: a count of 0 is the default.
    ///
    /// # Errors
    /// A count that no chain can hold.
    pub fn checked(max_count: u32, max_size_bytes: u64) -> Result<Self, OperationError> {
        if max_count > DEFAULT_COUNT {
            let message = format!(
                "a volume cannot have {max_count} snapshots: at most {DEFAULT_COUNT} can be opened; choose a smaller limit"
            );
            return Err(OperationError::Refused(message));
        }
        let max_count = if max_count == 0 { DEFAULT_COUNT } else { max_count };
        Ok(Self { max_count, max_size_bytes })
    }

    /// Whether one more snapshot of these layers, whose live chain has `chain` files, keeps within the limits.
    fn check(&self, volume: &str, layers: &[LayerInfo], chain: usize) -> Result<(), OperationError> {
        let refused = |message: String| Err(OperationError::Refused(message));
        if chain >= CHAIN_MAXIMUM {
            return refused(format!(
                "volume {volume} has {chain} layers, the most that can be opened again; delete snapshots and purge them first"
            ));
        }
        let live: Vec<_> = layers.iter().filter(|layer| !layer.is_head && !layer.removed).collect();
        if live.len() >= self.max_count as usize {
            return refused(format!(
                "volume {volume} has {} snapshots and may have {}; delete snapshots or raise its snapshot-max-count",
                live.len(),
                self.max_count
            ));
        }
        let head: u64 = layers.iter().filter(|layer| layer.is_head).map(|layer| layer.allocated_bytes).sum();
        let held: u64 = live.iter().map(|layer| layer.allocated_bytes).sum();
        if self.max_size_bytes > 0 && head + held > self.max_size_bytes {
            return refused(format!(
                "the snapshots of volume {volume} would take {} bytes ({held} now, {head} written since the last one) \
                 and may take {}; delete and purge snapshots or raise its snapshot-max-size",
                head + held,
                self.max_size_bytes
            ));
        }
        Ok(())
    }
}

/// The limits now.
#[derive(Default)]
pub(crate) struct Current(Mutex<SnapshotLimits>);

impl Current {
    pub(crate) fn get(&self) -> SnapshotLimits {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, limits: SnapshotLimits) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }
}

impl Volume {
    /// Limits of snapshots from now on. Those that exist stay, even if they are more.
    pub fn set_snapshot_limits(&self, limits: SnapshotLimits) {
        self.shared.snapshot_limits.set(limits);
        self.shared.changed.tell();
    }
}

impl Shared {
    /// Whether one more snapshot may be taken, of whatever kind.
    pub(crate) async fn check_snapshot_limits(&self) -> Result<(), OperationError> {
        self.refresh_layers().await;
        // A member whose purge is behind has more files than the others, and must not be dropped for that.
        let longest = self.layers_of_all().await.iter().map(|layers| chain_length(layers)).max();
        let longest = longest.unwrap_or_default().max(chain_length(&self.layers.get()));
        self.snapshot_limits.get().check(&self.name, &self.layers.get(), longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn layer(name: &str, removed: bool, allocated_bytes: u64) -> LayerInfo {
        LayerInfo {
            file_name: name.to_owned(),
            parent: String::new(),
            removed,
            user_created: true,
            created: String::new(),
            labels: std::collections::BTreeMap::new(),
            allocated_bytes,
            file_size: MIB,
            is_head: name.starts_with("volume-head"),
            image_missing: false,
        }
    }

    fn refusal(limits: SnapshotLimits, layers: &[LayerInfo], chain: usize) -> String {
        limits.check("v", layers, chain).unwrap_err().to_string()
    }

    #[test]
    fn live_snapshots_are_counted_and_removed_ones_are_not() {
        let layers = [layer("volume-head-002.img", false, 0), layer("a", false, 0), layer("b", true, 0)];
        let limits = |count| SnapshotLimits::checked(count, 0).unwrap();
        assert!(limits(2).check("v", &layers, 3).is_ok());
        let said = refusal(limits(1), &layers, 3);
        assert!(said.contains("has 1 snapshots and may have 1") && said.contains("snapshot-max-count"), "{said}");
        let said = refusal(SnapshotLimits::default(), &layers, 250);
        assert!(said.contains("250 layers"), "{said}");
    }

    #[test]
    fn the_head_counts_towards_the_size_and_removed_snapshots_do_not() {
        let layers = [layer("volume-head-002.img", false, MIB), layer("a", false, 2 * MIB), layer("b", true, 9 * MIB)];
        let limits = |size| SnapshotLimits::checked(0, size).unwrap();
        assert!(limits(3 * MIB).check("v", &layers, 3).is_ok());
        assert!(limits(0).check("v", &layers, 3).is_ok());
        let said = refusal(limits(3 * MIB - 1), &layers, 3);
        assert!(said.contains("3145728 bytes") && said.contains("may take 3145727"), "{said}");
    }

    #[test]
    fn no_count_is_the_default_and_too_many_are_refused() {
        assert_eq!(SnapshotLimits::checked(0, 0).unwrap(), SnapshotLimits::default());
        assert_eq!(SnapshotLimits::checked(250, 7).unwrap(), SnapshotLimits { max_count: 250, max_size_bytes: 7 });
        assert!(SnapshotLimits::checked(251, 0).is_err());
    }
}
