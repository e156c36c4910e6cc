//! Events: what happened, newest knowledge of it.

pub mod get;
pub mod list;

use aurochs_api::event::Event;

use crate::nouns::Noun;

/// To look at only.
pub fn noun() -> Noun {
    Noun::of::<Event>().list(list::handle).get(get::handle).done()
}
