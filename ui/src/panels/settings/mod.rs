//! Parts of the page of settings.

pub(crate) mod access;
pub(crate) mod drafts;
pub(crate) mod leave;
pub(crate) mod notifications;
pub(crate) mod row;
