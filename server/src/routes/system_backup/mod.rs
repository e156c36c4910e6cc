//! Backups of the system's configuration. None can be made yet.

pub mod create;
pub mod delete;

use aurochs_api::system_backup::{SystemBackup as SystemBackupView, SystemBackupCreateInput};

use super::shown;
use crate::nouns::Noun;
use crate::resources::SystemBackup;

/// What there is was left by others; it is shown, and not touched.
pub fn noun() -> Noun {
    Noun::of::<SystemBackupView>()
        .list(shown::list::<SystemBackup>)
        .streamed(&["systembackups"])
        .create::<SystemBackupCreateInput, _>(create::handle)
        .get(shown::get::<SystemBackup>)
        .delete(delete::handle)
        .done()
}
