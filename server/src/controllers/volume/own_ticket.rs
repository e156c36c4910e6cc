//! The volume controller's own tickets: a volume that nobody uses is attached without a device while its replicas are
//! worked on. A workload comes first: its attachment serves the same purpose, so that ours is taken back.

use super::super::tickets::{self, Purpose};
use super::super::{Context, Error};
use crate::resources::volume_attachment::{AttacherType, FrontendWish};
use crate::resources::{Object, Volume, VolumeAttachment};

/// Brings the ticket into line with what is wanted. True while it is there.
pub(super) async fn settle(
    context: &Context,
    volume: &Object<Volume>,
    kind: AttacherType,
    wanted: bool,
) -> Result<bool, Error> {
    let (store, purpose) = (&context.store, Purpose { kind, of: volume.name() });
    let Some(attachment) = store.find::<VolumeAttachment>(volume.name()).await? else { return Ok(false) };
    if wanted && !tickets::is_in_use(&attachment.spec) {
        let Some(node) = tickets::node_for(context, volume).await? else { return Ok(false) };
        tickets::want(store, volume.name(), &purpose, &node, FrontendWish::Either).await?;
        return Ok(true);
    }
    if attachment.spec.attachment_tickets.contains_key(&purpose.ticket_id()) {
        tickets::release(store, volume.name(), &purpose).await?;
    }
    Ok(false)
}
