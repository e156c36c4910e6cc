//! The manager.

pub mod auth;
pub mod controllers;
pub mod error;
pub mod instance;
pub mod resources;
pub mod router;
pub mod routes;
pub mod scheduling;
pub mod settings;
pub mod store;
pub mod view;
pub mod web;
