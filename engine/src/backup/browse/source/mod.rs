//! Where a disk's bytes come from.

mod replica;
mod snapshot;

pub use replica::ReplicaSource;
pub use snapshot::SnapshotSource;
