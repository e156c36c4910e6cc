//! Forms as data: [`Field`]s, what was typed into them ([`Typed`]), what that is worth ([`Values`]), and how it looks.

mod field;
mod fields;
mod read;
mod typed;
mod values;

pub(crate) use field::Field;
pub(crate) use fields::Fields;
pub(crate) use typed::Typed;
pub(crate) use values::Values;
