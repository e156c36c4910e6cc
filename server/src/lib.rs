//! The manager.

pub mod auth;
pub mod error;
pub mod router;
pub mod routes;
pub mod view;
pub mod web;
