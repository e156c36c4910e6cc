//! Backup volumes: what is in targets of one volume.

pub mod actions;
pub mod delete;
pub mod sync_all;
pub mod update;
pub mod verify;

use aurochs_api::backup::BackupListOutput;
use aurochs_api::backup_target::SyncBackupResource;
use aurochs_api::backup_volume::{
    BackupDelete, BackupGet, BackupList, BackupListByVolume, BackupVerify, BackupVolume as BackupVolumeView,
    BackupVolumeListOutput, BackupVolumeSync,
};

use super::shown;
use crate::nouns::Noun;
use crate::resources::BackupVolume;

/// They are found in targets, whoever put them there.
pub fn noun() -> Noun {
    Noun::of::<BackupVolumeView>()
        .list(shown::list::<BackupVolume>)
        .streamed(&["backupvolumes"])
        .put_all::<SyncBackupResource, _>(sync_all::handle)
        .get(shown::get::<BackupVolume>)
        .put::<SyncBackupResource, _>(update::handle)
        .delete(delete::handle)
        .act::<BackupList, _, _>(actions::list)
        .act::<BackupListByVolume, _, _>(actions::list_by_volume)
        .act::<BackupGet, _, _>(actions::get)
        .act::<BackupDelete, _, _>(actions::delete)
        .act::<BackupVolumeSync, _, _>(actions::sync)
        .act::<BackupVerify, _, _>(verify::handle)
        .with::<BackupListOutput>()
        .with::<BackupVolumeListOutput>()
        .done()
}
