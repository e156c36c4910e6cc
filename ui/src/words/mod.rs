//! Typed states as text: the only place. Each function matches exhaustively, so a new state does not compile without its
//! wording. A second language is a second module with the same functions; here is where the choice between them goes.

mod en;
mod mark;

pub(crate) use en::*;
pub(crate) use mark::{Mark, process_mark};
