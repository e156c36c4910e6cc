//! Backup targets: where backups go, whether they can, and trying it.

mod fields;
mod form;
mod row;
mod trial;
mod troubles;

pub(crate) use form::ask_create;
pub(crate) use row::{bulk, columns, entries};
pub(crate) use troubles::Troubles;
