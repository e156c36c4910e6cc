//! Nodes and their disks.

pub mod delete;
pub mod disk_update;
pub mod get;
pub mod list;
pub mod update;

use aurochs_api::node::{DiskUpdate, Node, NodeUpdate};

use crate::nouns::Noun;

/// Nodes come by themselves; there is nothing to create. Longhorn does not tell that they can be deleted.
pub fn noun() -> Noun {
    Noun::of::<Node>()
        .list(list::handle)
        .streamed(&["nodes"])
        .get(get::handle)
        .put::<NodeUpdate, _>(update::handle)
        .delete_hidden(delete::handle)
        .act::<DiskUpdate, _, _>(disk_update::handle)
        .done()
}
