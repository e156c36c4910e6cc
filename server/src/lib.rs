//! The manager.

pub mod auth;
pub mod error;
pub mod resources;
pub mod router;
pub mod routes;
pub mod settings;
pub mod store;
pub mod view;
pub mod web;
