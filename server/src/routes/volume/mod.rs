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
