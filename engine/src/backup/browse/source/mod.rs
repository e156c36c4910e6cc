//! Where a disk's bytes come from.

mod backup;
mod replica;
mod snapshot;

pub use backup::BackupSource;
pub use replica::ReplicaSource;
pub use snapshot::SnapshotSource;

#[cfg(test)]
mod tests {
    use super::*;

    /// They are opened where the runtime is, and read on a thread that may wait.
    #[test]
    fn what_is_far_away_can_be_handed_to_another_thread() {
        const fn is_send<T: Send>() {}
        is_send::<SnapshotSource>();
        is_send::<BackupSource>();
    }
}
