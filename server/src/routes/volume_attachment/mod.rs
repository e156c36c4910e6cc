//! Volume attachments: who wants which volume where. To look at only; `attach` and `detach` change them.

use aurochs_api::attachment::VolumeAttachment as VolumeAttachmentView;

use super::shown;
use crate::nouns::Noun;
use crate::resources::VolumeAttachment;

/// Tickets are made by the actions of volumes.
pub fn noun() -> Noun {
    Noun::of::<VolumeAttachmentView>()
        .list(shown::list::<VolumeAttachment>)
        .streamed(&["volumeattachments"])
        .get(shown::get::<VolumeAttachment>)
        .done()
}
