//! Support bundles. Their addresses have the node's name and their own in them.

pub mod create;
pub mod delete;
pub mod download;
pub mod get;
pub mod list;

use aurochs_api::support_bundle::{SupportBundle, SupportBundleInitiateInput};
use axum::http::Method;

use crate::nouns::Noun;

/// Longhorn tells of the list alone, and serves the rest.
pub fn noun() -> Noun {
    Noun::of::<SupportBundle>()
        .list(list::handle)
        .create_hidden::<SupportBundleInitiateInput, _>(create::handle)
        .get_at("/{node}/{name}", get::handle)
        .delete_hidden_at("/{node}/{name}", delete::handle)
        .route(Method::GET, "/{node}/{name}/download", download::handle)
        .that_changes()
        .with::<SupportBundleInitiateInput>()
        .done()
}
