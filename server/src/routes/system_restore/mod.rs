//! Restores of the system from a system backup.

pub mod create;
pub mod delete;

use aurochs_api::system_restore::{SystemRestore as SystemRestoreView, SystemRestoreCreateInput};

use super::shown;
use crate::nouns::Noun;
use crate::resources::SystemRestore;

/// They stay, as a record of what was done, until somebody deletes them.
pub fn noun() -> Noun {
    Noun::of::<SystemRestoreView>()
        .list(shown::list::<SystemRestore>)
        .streamed(&["systemrestores"])
        .create::<SystemRestoreCreateInput, _>(create::handle)
        .get(shown::get::<SystemRestore>)
        .delete(delete::handle)
        .done()
}
