//! Settings: a table of what there is, checking of what a user writes, typed reading with the defaults beneath.
//!
//! 1. [`registry`] — the table: Longhorn's settings by category, each with what it does in this version ([`Acts`]);
//! 2. [`definition`] — a row; [`form`] — what a value must look like; [`data_engine`] — values by data engine;
//! 3. [`check`] — what a user wrote, alone and beside the others;
//! 4. [`values`] — the present values in memory, and who is woken when one changes.
//!
//! Values live in Setting resources; the setting controller keeps the copy in memory fresh.
//! Invariant: what a setting says is done, or the setting says that it is not. A test compares the readers with the table.

pub mod check;
pub mod data_engine;
pub mod definition;
pub mod form;
#[cfg(test)]
mod readers;
pub mod registry;
#[cfg(test)]
mod tests;
pub mod values;

pub use check::{SettingError, check};
pub use data_engine::DataEngine;
pub use definition::{Acts, Applies, Category, Definition, ValueType};
pub use form::Form;
pub use registry::{Name, all};
pub use values::Settings;

/// The row of this name.
#[must_use]
pub fn definition(name: &str) -> Option<&'static Definition> {
    Name::of_word(name).map(Name::definition)
}
