//! Who keeps the volumes' control records (SAFETY.md): one trait, two keepers.
//!
//! [`RecordFiles`] of a standalone installation are synced files on its machine. In a cluster the API server keeps them
//! ([`ApiServerRecords`]): every node's instance manager reads and changes the same ones, and no manager has to be alive for that.
//!
//! Invariant, whoever keeps it: a record changes only from the epoch and generation that the caller saw, and a change that was
//! answered stays.

mod access;
mod api_server;
mod files;

use tonic::async_trait;

use crate::volume::record::{Epoch, Generation, KeeperError, Record};

pub use access::Access;
pub use api_server::ApiServerRecords;
pub use files::RecordFiles;

/// A keeper of control records.
#[async_trait]
pub trait Records: Send + Sync {
    /// The record of a volume, `None` when there is none.
    async fn get(&self, volume: &str) -> Result<Option<Record>, KeeperError>;

    /// Puts `next` in place if the record is at this epoch and generation (both 0: if there is none), and returns what is there
    /// now: the volume's incarnation stays as it is, or is made here.
    async fn compare_and_set(&self, epoch: Epoch, generation: Generation, next: &Record)
    -> Result<Record, KeeperError>;

    /// Forgets a volume. A missing record succeeds.
    async fn delete(&self, volume: &str) -> Result<(), KeeperError>;

    /// Which one it is, in a word: two instance managers of one installation must have the same.
    fn word(&self) -> &'static str;
}

/// The rule of every change: what is to stand in place of `now`, if the caller saw that.
fn judge(now: Option<Record>, epoch: Epoch, generation: Generation, next: &Record) -> Result<Record, KeeperError> {
    let now = now.unwrap_or_default();
    if (now.epoch, now.generation) != (epoch, generation) {
        let volume = next.volume.clone();
        return Err(KeeperError::Conflict { volume, found: now.epoch, generation: now.generation });
    }
    if next.members.is_empty() || (next.epoch, next.generation) <= (epoch, generation) {
        return Err(KeeperError::Unavailable(format!(
            "a control record without members, or that does not move on, is refused: {next:?}"
        )));
    }
    let incarnation = if now.incarnation.is_empty() { uuid::Uuid::new_v4().to_string() } else { now.incarnation };
    Ok(Record { incarnation, ..next.clone() })
}
