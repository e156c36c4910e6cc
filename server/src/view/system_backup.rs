//! A backup of the system's configuration.

use aurochs_api::system_backup::SystemBackup as SystemBackupView;

use super::message_of;
use super::shown::Shown;
use crate::resources::{Object, SystemBackup};

impl Shown for SystemBackup {
    type View = SystemBackupView;

    fn view(backup: &Object<Self>) -> SystemBackupView {
        let status = &backup.status;
        SystemBackupView {
            name: backup.name().to_owned(),
            volume_backup_policy: backup.spec.volume_backup_policy,
            version: status.version.clone(),
            manager_image: status.manager_image.clone(),
            state: status.state,
            created_at: status.created_at.clone(),
            error: message_of(&status.conditions, "Error"),
        }
    }
}
