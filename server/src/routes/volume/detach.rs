//! `detach`: takes a ticket back; the volume is detached when nobody wants it any more.

use aurochs_api::attachment::DetachInput;
use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume as VolumeView;

use super::action::{self, Target};
use super::engine::RunningEngine;
use crate::error::{ApiError, ErrorKind};
use crate::resources::{Object, Volume, VolumeAttachment};
use crate::view::volume::word;

/// Answers with the volume. Repeating it is fine, also without a body.
pub async fn handle(target: Target, input: DetachInput) -> Result<Resource<VolumeView>, ApiError> {
    let store = &target.app.store;
    let volume = store.get::<Volume>(&target.name).await?;
    let Some(attachment) = store.find::<VolumeAttachment>(volume.name()).await? else {
        return action::answer(&target).await;
    };
    check_standby(&volume)?;
    check_others(&attachment, &input)?;
    let engine = RunningEngine::find(&target.app, volume.name()).await?;
    if let Some(engine) = engine.filter(|_| !input.force_detach) {
        engine.check_not_mounted(unmount_first).await?;
    }
    store
        .modify::<VolumeAttachment>(attachment.name(), |attachment| {
            let tickets = &mut attachment.spec.attachment_tickets;
            if input.force_detach {
                tickets.clear();
            } else {
                tickets.remove(&input.attachment_id);
            }
        })
        .await?;
    tracing::info!(volume = target.name, ticket = input.attachment_id, force = input.force_detach, "asked to detach");
    action::answer(&target).await
}

fn unmount_first(place: &str) -> String {
    format!(
        "Unmount it (umount {place}), then detach; or detach with forceDetach: what is in memory is written first, \
         and open files then fail."
    )
}

/// A volume that follows a backup is attached for as long as it does, and nobody can use it.
fn check_standby(volume: &Object<Volume>) -> Result<(), ApiError> {
    if !volume.spec.standby {
        return Ok(());
    }
    let message =
        format_args!("volume {} is not detached: it is a standby volume, which follows a backup", volume.name());
    Err(ApiError::new(ErrorKind::Conflict, message, "Activate it: it is detached when it can be used."))
}

/// A person who detaches should not be told "done" while someone else's ticket keeps the volume attached. Who names a
/// ticket (the CSI driver) speaks of that one only.
fn check_others(attachment: &Object<VolumeAttachment>, input: &DetachInput) -> Result<(), ApiError> {
    let tickets = &attachment.spec.attachment_tickets;
    let concerned = input.attachment_id.is_empty() && !input.force_detach && !tickets.contains_key("");
    let Some(other) = tickets.values().find(|ticket| ticket.kind.is_workload()).filter(|_| concerned) else {
        return Ok(());
    };
    let (volume, who, node) = (attachment.name(), word(&other.kind), &other.node_id);
    let message = format_args!("volume {volume} stays attached to {node}: {who} asked for it (ticket {:?})", other.id);
    let next_step =
        "Stop the workload that uses it; or detach with forceDetach, which takes it away from the workload.";
    Err(ApiError::new(ErrorKind::Conflict, message, next_step))
}
