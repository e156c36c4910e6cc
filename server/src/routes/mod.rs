//! Handlers, one noun a directory, one verb a file. Each noun names its own in `noun()`;
//! [`crate::nouns`] lists the nouns, [`crate::router`] the rest.

pub mod assets;
pub mod body;
pub mod fallback;
pub mod health;
pub mod instance_manager;
pub mod live;
pub mod node;
pub mod root;
pub mod session;
pub mod setting;
pub mod volume;
pub mod volume_attachment;
