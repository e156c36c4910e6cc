//! Instance managers: to look at only.

pub mod get;
pub mod list;
