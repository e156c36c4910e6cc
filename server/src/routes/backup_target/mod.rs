//! Backup targets: where backups are kept.

pub(crate) mod check;
pub mod create;
pub mod delete;
pub mod poll_interval;
pub(crate) mod request;
pub mod sync;
pub mod sync_all;
pub mod test;
pub mod update;

use aurochs_api::backup_target::{
    BackupTarget as BackupTargetView, BackupTargetInput, BackupTargetListOutput, BackupTargetSync, BackupTargetTest,
    BackupTargetTestOutput, BackupTargetUpdate, SyncBackupResource,
};

use super::shown;
use crate::backups::Fault;
use crate::error::{ApiError, ErrorKind};
use crate::nouns::Noun;
use crate::resources::BackupTarget;

/// Longhorn tells of a `PUT` of one and serves the action alone; here both do the same.
pub fn noun() -> Noun {
    Noun::of::<BackupTargetView>()
        .list(shown::list::<BackupTarget>)
        .streamed(&["backuptargets"])
        .create::<BackupTargetInput, _>(create::handle)
        .put_all::<SyncBackupResource, _>(sync_all::handle)
        .get(shown::get::<BackupTarget>)
        .put::<BackupTargetInput, _>(update::put)
        .delete(delete::handle)
        .act::<BackupTargetSync, _, _>(sync::handle)
        .act::<BackupTargetUpdate, _, _>(update::handle)
        .act::<BackupTargetTest, _, _>(test::handle)
        .with::<BackupTargetListOutput>()
        .with::<BackupTargetTestOutput>()
        .done()
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let kind = match (fault.is_missing, fault.step) {
            (true, _) => ErrorKind::NotFound,
            (_, "address") => ErrorKind::Invalid,
            // What is there can't be used as it is.
            (_, "") if !fault.is_transient => ErrorKind::Conflict,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, &fault.message, &fault.next_step)
    }
}
