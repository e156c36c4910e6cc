//! Volumes: the collection, one volume, its actions.

pub mod action;
pub mod attach;
pub mod create;
pub mod delete;
pub mod detach;
pub mod engine;
pub mod get;
pub mod list;
pub mod replica_remove;
pub mod snapshot_create;
pub mod snapshot_delete;
pub mod snapshot_get;
pub mod snapshot_list;
pub mod snapshot_revert;
pub mod update_replica_count;

use aurochs_api::volume::VolumeCreateInput;
use axum::http::Method;

use crate::nouns::Noun;

/// Volumes find their actions themselves, see [`action`].
pub fn noun() -> Noun {
    Noun::raw("volume")
        .list(list::handle)
        .streamed(&["volumes", "engines", "replicas", "volumeattachments"])
        .create::<VolumeCreateInput, _>(create::handle)
        .get(get::handle)
        .delete(delete::handle)
        .route(Method::POST, "/{name}", action::handle)
        .done()
}
