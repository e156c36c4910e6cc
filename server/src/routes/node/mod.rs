//! Nodes and their disks.

pub mod action;
pub mod disk_update;
pub mod get;
pub mod list;
pub mod update;
