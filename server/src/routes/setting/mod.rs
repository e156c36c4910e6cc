//! Settings.

pub mod get;
pub mod list;
pub mod update;

use aurochs_api::setting::{Setting, SettingUpdate};

use crate::nouns::Noun;

/// Settings are there from the beginning; only their values change.
pub fn noun() -> Noun {
    Noun::of::<Setting>()
        .list(list::handle)
        .streamed(&["settings"])
        .get(get::handle)
        .put::<SettingUpdate, _>(update::handle)
        .done()
}
