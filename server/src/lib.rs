//! The manager.

pub mod resources;
pub mod store;
