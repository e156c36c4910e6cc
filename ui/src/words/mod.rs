//! Typed states as text: the only place. Each function matches exhaustively, so a new state does not compile without its
//! wording. Every text goes through [`tr`] or [`fill`], which know the second language.

#[cfg(test)]
mod complete;
mod en;
mod mark;
mod ops;
#[cfg(test)]
mod served;
mod told;
mod tr;
mod volume;

pub(crate) use en::*;
pub(crate) use mark::{Mark, process_mark};
pub(crate) use ops::*;
pub(crate) use told::told;
pub(crate) use tr::{fill, is_chinese, label, speak_chinese, tr};
pub(crate) use volume::*;
