//! Settings.

pub mod get;
pub mod list;
pub mod update;
