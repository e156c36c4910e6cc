//! The control record of a volume and who keeps it (SAFETY.md).

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::grpc::instance_v1;

/// Which engine start this is; only the highest may complete I/O.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// Count of membership changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// What has to be remembered of a volume, whoever dies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub volume: String,
    pub epoch: Epoch,
    pub generation: Generation,
    /// Replicas that hold every acknowledged write. Never empty (I4).
    pub members: BTreeSet<String>,
    /// Replicas being rebuilt: written to, never read from.
    pub joining: BTreeSet<String>,
    /// The last engine closed properly: nothing was in flight, all members are equal.
    pub clean: bool,
    /// Tells the volume from others that have had its name. The keeper makes it with the first record, and nobody changes
    /// it. Empty: made by a version that knew none.
    #[serde(default)]
    pub incarnation: String,
}

/// Why a record could not be changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeeperError {
    /// Somebody else changed it: a newer engine is starting.
    #[error("the control record of volume {volume} is now at epoch {}, generation {}", .found.0, .generation.0)]
    Conflict { volume: String, found: Epoch, generation: Generation },
    #[error("there is no control record of volume {0}; attach the volume through the manager")]
    Missing(String),
    /// The keeper can't be asked now; the caller tries again.
    #[error("the control record can't be reached: {0}")]
    Unavailable(String),
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeeperError>> + Send + 'a>>;

/// Keeps records: a synced file per volume standalone, the Volume resource on Kubernetes.
pub trait Keeper: Send + Sync + 'static {
    fn get<'a>(&'a self, volume: &'a str) -> Answer<'a, Record>;
    /// Puts `next` in place if the record still has this epoch and generation.
    fn compare_and_set<'a>(&'a self, epoch: Epoch, generation: Generation, next: &'a Record) -> Answer<'a, ()>;
}

impl From<instance_v1::Record> for Record {
    fn from(wire: instance_v1::Record) -> Self {
        Self {
            volume: wire.volume,
            epoch: Epoch(wire.epoch),
            generation: Generation(wire.generation),
            members: wire.members.into_iter().collect(),
            joining: wire.joining.into_iter().collect(),
            clean: wire.clean,
            incarnation: wire.incarnation,
        }
    }
}

impl From<Record> for instance_v1::Record {
    fn from(record: Record) -> Self {
        Self {
            volume: record.volume,
            epoch: record.epoch.0,
            generation: record.generation.0,
            members: record.members.into_iter().collect(),
            joining: record.joining.into_iter().collect(),
            clean: record.clean,
            incarnation: record.incarnation,
        }
    }
}
