//! Where a disk's bytes come from.

mod backup;
mod replica;
mod snapshot;

pub use backup::BackupSource;
pub use replica::ReplicaSource;
pub use snapshot::SnapshotSource;
