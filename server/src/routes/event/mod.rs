//! Events: to look at only.

pub mod get;
pub mod list;

use aurochs_api::event::Event;

use crate::nouns::Noun;

/// What happened to objects; kept for a while.
pub fn noun() -> Noun {
    Noun::of::<Event>().list(list::handle).streamed(&["events"]).get(get::handle).done()
}
