//! Handlers, one noun a directory, one verb a file. The router names them all: [`crate::router`].

pub mod body;
pub mod fallback;
pub mod health;
pub mod session;
