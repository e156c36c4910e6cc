//! Backup targets. There is one, `default`, without an address.

pub mod create;
pub mod delete;
pub mod poll_interval;
pub mod sync;
pub mod sync_all;
pub mod update;

use aurochs_api::backup_target::{
    BackupTarget as BackupTargetView, BackupTargetInput, BackupTargetListOutput, BackupTargetSync, BackupTargetUpdate,
    SyncBackupResource,
};

use super::shown;
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
        .with::<BackupTargetListOutput>()
        .done()
}
