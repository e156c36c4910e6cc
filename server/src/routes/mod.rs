//! Handlers, one noun a directory, one verb a file. Each noun names its own in `noun()`;
//! [`crate::nouns`] lists the nouns, [`crate::router`] the rest.

pub mod assets;
pub mod backing_image;
pub mod backup_backing_image;
pub mod backup_target;
pub mod backup_volume;
pub mod body;
pub mod engine_image;
pub mod event;
pub mod fallback;
pub mod health;
pub mod instance_manager;
pub mod live;
pub mod node;
pub mod orphan;
pub mod recurring_job;
pub mod root;
pub mod session;
pub mod setting;
pub mod shard;
pub mod support_bundle;
pub mod system_backup;
pub mod system_restore;
pub mod tag;
pub mod volume;
pub mod volume_attachment;
