//! Backup volumes. None can be found yet.

pub mod delete;
pub mod sync_all;
pub mod update;

use aurochs_api::backup::BackupListOutput;
use aurochs_api::backup_target::SyncBackupResource;
use aurochs_api::backup_volume::{
    BackupDelete, BackupGet, BackupList, BackupListByVolume, BackupVolume as BackupVolumeView, BackupVolumeListOutput,
    BackupVolumeSync,
};

use super::shown;
use crate::feature::Feature;
use crate::nouns::Noun;
use crate::resources::BackupVolume;

/// They are found in targets; what there is without one was left by others.
pub fn noun() -> Noun {
    Noun::of::<BackupVolumeView>()
        .list(shown::list::<BackupVolume>)
        .streamed(&["backupvolumes"])
        .put_all::<SyncBackupResource, _>(sync_all::handle)
        .get(shown::get::<BackupVolume>)
        .put::<SyncBackupResource, _>(update::handle)
        .delete(delete::handle)
        .act_later::<BackupList>(Feature::Backups)
        .act_later::<BackupListByVolume>(Feature::Backups)
        .act_later::<BackupGet>(Feature::Backups)
        .act_later::<BackupDelete>(Feature::Backups)
        .act_later::<BackupVolumeSync>(Feature::Backups)
        .with::<BackupListOutput>()
        .with::<BackupVolumeListOutput>()
        .done()
}
