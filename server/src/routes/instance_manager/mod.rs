//! Instance managers: to look at only.

pub mod get;
pub mod list;

use crate::nouns::Noun;

/// One for each node, there by itself.
pub fn noun() -> Noun {
    Noun::raw("instanceManager").list(list::handle).get(get::handle).done()
}
