//! What people ask about a resource, derived from its fields. Pure: no browser, no text.

pub(crate) mod action;
pub(crate) mod attention;
pub(crate) mod filter;
pub(crate) mod growth;
pub(crate) mod node_edit;
pub(crate) mod order;
pub(crate) mod placement;
pub(crate) mod rebuild;
pub(crate) mod replicas;
pub(crate) mod revert;
pub(crate) mod rhythm;
pub(crate) mod setting_form;
pub(crate) mod snapshot_tree;
pub(crate) mod target_address;
pub(crate) mod time;
pub(crate) mod topology;
pub(crate) mod volume_setting;
