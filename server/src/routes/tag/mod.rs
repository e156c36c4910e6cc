//! Tags of nodes and disks: what selectors can ask for.

pub mod list;

use aurochs_api::tag::Tag;

use crate::nouns::Noun;

/// They are given to nodes and disks; the lists collect them.
pub fn noun() -> Noun {
    Noun::of::<Tag>().list_at("/v1/disktags", list::disks).list_at("/v1/nodetags", list::nodes).done()
}
