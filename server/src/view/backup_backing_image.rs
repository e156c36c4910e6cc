//! A backup of a backing image.

use aurochs_api::backup_backing_image::BackupBackingImage as BackupBackingImageView;

use super::shown::Shown;
use crate::resources::{BackupBackingImage, Object};

impl Shown for BackupBackingImage {
    type View = BackupBackingImageView;

    fn view(backup: &Object<Self>) -> BackupBackingImageView {
        let (spec, status) = (&backup.spec, &backup.status);
        BackupBackingImageView {
            name: backup.name().to_owned(),
            backing_image_name: status.backing_image.clone(),
            backup_target_name: spec.backup_target_name.clone(),
            state: status.state,
            progress: status.progress,
            error: status.error.clone(),
            url: status.url.clone(),
            created: status.backup_created_at.clone(),
            size: status.size,
            labels: status.labels.clone(),
            messages: status.messages.clone(),
            compression_method: status.compression_method.clone(),
            secret: status.secret.clone(),
            secret_namespace: status.secret_namespace.clone(),
        }
    }
}
