//! Forms as data: fields, what was typed into them, and how they look.

mod field;
mod values;

pub(crate) use field::{Field, Shape};
pub(crate) use values::Values;
