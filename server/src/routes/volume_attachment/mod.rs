//! Volume attachments: who wants which volume where. To look at only; `attach` and `detach` change them.

pub mod get;
pub mod list;

use crate::nouns::Noun;

/// Tickets are made by the actions of volumes.
pub fn noun() -> Noun {
    Noun::raw("volumeAttachment").list(list::handle).streamed(&["volumeattachments"]).get(get::handle).done()
}
