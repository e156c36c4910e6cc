//! Handlers, one noun a directory, one verb a file. The router names them all: [`crate::router`].

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
