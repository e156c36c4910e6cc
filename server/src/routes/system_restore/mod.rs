//! Restores of the system's configuration. None can be made yet.

pub mod create;
pub mod delete;

use aurochs_api::system_restore::{SystemRestore as SystemRestoreView, SystemRestoreCreateInput};

use super::shown;
use crate::nouns::Noun;
use crate::resources::SystemRestore;

/// What there is was left by others; it is shown, and not touched.
pub fn noun() -> Noun {
    Noun::of::<SystemRestoreView>()
        .list(shown::list::<SystemRestore>)
        .streamed(&["systemrestores"])
        .create::<SystemRestoreCreateInput, _>(create::handle)
        .get(shown::get::<SystemRestore>)
        .delete(delete::handle)
        .done()
}
