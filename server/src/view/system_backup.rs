//! A backup of the system's configuration.

use aurochs_api::system_backup::SystemBackup as SystemBackupView;

use super::shown::Shown;
use super::{causes, message_of};
use crate::resources::system_backup::CONDITION_ERROR;
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
            error: message_of(&status.conditions, CONDITION_ERROR),
            planned_bytes: status.planned_bytes,
            done_bytes: status.done_bytes,
            causes: causes::of_system_backup(backup),
        }
    }
}
