//! All backups of one volume in one target.

use aurochs_api::backup_volume::BackupVolume as BackupVolumeView;

use super::causes;
use super::shown::Shown;
use crate::resources::{BackupVolume, Object};

impl Shown for BackupVolume {
    type View = BackupVolumeView;

    fn view(volume: &Object<Self>) -> BackupVolumeView {
        let (spec, status) = (&volume.spec, &volume.status);
        BackupVolumeView {
            name: volume.name().to_owned(),
            volume_name: spec.volume_name.clone(),
            backup_target_name: spec.backup_target_name.clone(),
            size: status.size.clone(),
            labels: status.labels.clone(),
            created: status.created_at.clone(),
            last_backup_name: status.last_backup_name.clone(),
            last_backup_at: status.last_backup_at.clone(),
            data_stored: status.data_stored.clone(),
            messages: status.messages.clone(),
            backing_image_name: status.backing_image_name.clone(),
            backing_image_checksum: status.backing_image_checksum.clone(),
            storage_class_name: status.storage_class_name.clone(),
            causes: causes::of_backup_volume(volume),
        }
    }
}
