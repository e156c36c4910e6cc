//! Parts of the pages for operators.

pub(crate) mod acts;
pub(crate) mod happened;
pub(crate) mod job;
pub(crate) mod room;
pub(crate) mod sheet;
