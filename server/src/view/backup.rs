//! A backup of a volume.

use aurochs_api::backup::Backup as BackupView;

use super::causes;
use super::shown::Shown;
use crate::resources::backup::{LABEL_BACKUP_TARGET, LABEL_BACKUP_VOLUME};
use crate::resources::{Backup, Object};

impl Shown for Backup {
    type View = BackupView;

    fn view(backup: &Object<Self>) -> BackupView {
        let status = &backup.status;
        // What the target will say of a backup is known from its labels before.
        let told_or_label = |told: &str, label: &str| match told {
            "" => backup.metadata.labels.get(label).cloned().unwrap_or_default(),
            told => told.to_owned(),
        };
        BackupView {
            name: backup.name().to_owned(),
            state: status.state,
            progress: status.progress,
            error: status.error.clone(),
            url: status.url.clone(),
            snapshot_name: status.snapshot_name.clone(),
            snapshot_created: status.snapshot_created_at.clone(),
            created: status.backup_created_at.clone(),
            size: status.size.clone(),
            labels: status.labels.clone(),
            backup_mode: backup.spec.backup_mode.word().to_owned(),
            messages: status.messages.clone(),
            volume_name: told_or_label(&status.volume_name, LABEL_BACKUP_VOLUME),
            volume_size: status.volume_size.clone(),
            volume_created: status.volume_created.clone(),
            volume_backing_image_name: status.volume_backing_image_name.clone(),
            compression_method: status.compression_method.clone(),
            block_size: backup.spec.backup_block_size.clone(),
            newly_upload_data_size: status.newly_upload_data_size.clone(),
            re_uploaded_data_size: status.re_uploaded_data_size.clone(),
            backup_target_name: told_or_label(&status.backup_target_name, LABEL_BACKUP_TARGET),
            planned_bytes: status.planned_bytes,
            done_bytes: status.done_bytes,
            causes: causes::of_backup(backup),
        }
    }
}
