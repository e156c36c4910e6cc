//! Parts of the pages for operators.

pub(crate) mod acts;
pub(crate) mod job;
pub(crate) mod sheet;
