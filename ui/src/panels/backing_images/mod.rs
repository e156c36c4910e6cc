//! Backing images: read-only bases of volumes, where their copies are, and their backups.

mod backups;
mod copies;
mod create;
mod row;
mod upload;

pub(crate) use backups::{backup_bulk, backup_columns, backup_entries};
pub(crate) use create::ask_create;
pub(crate) use row::{bulk, columns, entries, filters};
