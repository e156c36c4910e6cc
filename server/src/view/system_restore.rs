//! A restore of the system's configuration.

use aurochs_api::system_restore::SystemRestore as SystemRestoreView;

use super::shown::Shown;
use super::{causes, message_of};
use crate::resources::system_restore::CONDITION_ERROR;
use crate::resources::{Object, SystemRestore};

impl Shown for SystemRestore {
    type View = SystemRestoreView;

    fn view(restore: &Object<Self>) -> SystemRestoreView {
        SystemRestoreView {
            name: restore.name().to_owned(),
            system_backup: restore.spec.system_backup.clone(),
            state: restore.status.state,
            created_at: restore.metadata.creation_timestamp.clone(),
            error: message_of(&restore.status.conditions, CONDITION_ERROR),
            causes: causes::of_system_restore(restore),
        }
    }
}
