//! Volume attachments: who wants which volume where. To look at only; `attach` and `detach` change them.

pub mod get;
pub mod list;
