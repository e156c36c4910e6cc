//! The tickets of a volume, as a thing of their own.

use aurochs_api::attachment::VolumeAttachment as VolumeAttachmentView;

use super::shown::Shown;
use super::volume::attachment;
use crate::resources::{Object, VolumeAttachment};

impl Shown for VolumeAttachment {
    type View = VolumeAttachmentView;

    fn view(tickets: &Object<Self>) -> VolumeAttachmentView {
        attachment(tickets.name(), Some(tickets))
    }
}
