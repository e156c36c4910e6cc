//! Recurring jobs: what they do, when they run, and what came of it.

mod form;
mod history;
mod row;
mod tasks;

pub(crate) use form::ask_create;
pub(crate) use row::{bulk, columns, entries, filters};
