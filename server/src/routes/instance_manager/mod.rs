//! Instance managers: to look at only.

pub mod get;
pub mod list;

use aurochs_api::instance_manager::{InstanceManager, InstanceProcess};

use crate::nouns::Noun;

/// One for each node, there by itself.
pub fn noun() -> Noun {
    Noun::of::<InstanceManager>().list(list::handle).get(get::handle).with::<InstanceProcess>().done()
}
