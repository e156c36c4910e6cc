//! Backups of the system: its resources, in the target named `default`.

pub mod create;
pub mod delete;

use aurochs_api::system_backup::{SystemBackup as SystemBackupView, SystemBackupCreateInput};

use super::shown;
use crate::nouns::Noun;
use crate::resources::SystemBackup;

/// Those that are found in the target are listed with those that are made here.
pub fn noun() -> Noun {
    Noun::of::<SystemBackupView>()
        .list(shown::list::<SystemBackup>)
        .streamed(&["systembackups"])
        .create::<SystemBackupCreateInput, _>(create::handle)
        .get(shown::get::<SystemBackup>)
        .delete(delete::handle)
        .done()
}
