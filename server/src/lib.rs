//! The manager.

pub mod controllers;
pub mod instance;
pub mod resources;
pub mod scheduling;
pub mod settings;
pub mod store;
