//! Volume attachments: who wants which volume where. To look at only; `attach` and `detach` change them.

pub mod get;
pub mod list;

use aurochs_api::attachment::VolumeAttachment;

use crate::nouns::Noun;

/// Tickets are made by the actions of volumes.
pub fn noun() -> Noun {
    Noun::of::<VolumeAttachment>().list(list::handle).get(get::handle).done()
}
