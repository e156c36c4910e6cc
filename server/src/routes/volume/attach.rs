//! `attach`: puts a ticket that asks for the volume on a node. The controllers do the rest.

use aurochs_api::attachment::AttachInput;
use aurochs_api::schema::Resource;
use aurochs_api::volume::{Robustness, Volume as VolumeView, VolumeState};

use super::action::{self, Target};
use super::{rules, ticket};
use crate::controllers::volume::locality;
use crate::error::{ApiError, ErrorKind};
use crate::feature::Feature;
use crate::resources::node::READY;
use crate::resources::volume::{AccessMode, DataLocality};
use crate::resources::volume_attachment::{AttachmentTicket, VolumeAttachmentSpec};
use crate::resources::{LABEL_VOLUME, Node, Object, Replica, Volume, VolumeAttachment, condition};
use crate::store::{Store, StoreError};

/// Answers with the volume; its state tells how far it is.
pub async fn handle(target: Target, input: AttachInput) -> Result<Resource<VolumeView>, ApiError> {
    let store = &target.app.store;
    let ticket = ticket::asked_for(&input)?;
    let volume = action::volume(&target).await?;
    check_node(store, &volume, &input.host_id).await?;
    rules::engine_on(&target.app.settings, format_args!("volume {} can't be attached", volume.name()))?;
    check_volume(&volume)?;
    check_placed(store, &volume, &input.host_id).await?;
    let attachment = attachment_of(store, &volume).await?;
    check_admission(&volume, &attachment, &ticket)?;
    store
        .modify::<VolumeAttachment>(attachment.name(), |attachment| {
            // Somebody may have been quicker since the check: then theirs stays.
            if check_admission(&volume, attachment, &ticket).is_ok() {
                attachment.spec.attachment_tickets.insert(ticket.id.clone(), ticket.clone());
            }
        })
        .await
        .map_err(ApiError::from)
        .and_then(|stored| check_admission(&volume, &stored, &ticket))?;
    tracing::info!(volume = target.name, node = ticket.node_id, ticket = ticket.id, "asked to attach");
    action::answer(&target).await
}

async fn check_node(store: &Store, volume: &Object<Volume>, name: &str) -> Result<(), ApiError> {
    let name_of_volume = volume.name();
    if name.is_empty() {
        let message = format_args!("attaching volume {name_of_volume} needs a node: hostId is empty");
        return Err(ApiError::new(
            ErrorKind::Invalid,
            message,
            "Give hostId the name of a node; GET /v1/nodes lists them.",
        ));
    }
    let Some(node) = store.find::<Node>(name).await? else {
        let names: Vec<String> = store.list::<Node>().await?.iter().map(|node| node.name().to_owned()).collect();
        let message = format_args!("unable to attach volume {name_of_volume} to {name:?}: there is no such node");
        return Err(ApiError::new(ErrorKind::Invalid, message, format_args!("The nodes are: {}.", names.join(", "))));
    };
    if condition::is_true(&node.status.conditions, READY) {
        return Ok(());
    }
    let why = condition::find(&node.status.conditions, READY).map_or("it was not heard of yet", |ready| &ready.message);
    let message = format_args!("unable to attach volume {name_of_volume} to {name}: the node is not ready ({why})");
    Err(ApiError::new(ErrorKind::Conflict, message, "Choose another node, or bring this one back."))
}

fn check_volume(volume: &Object<Volume>) -> Result<(), ApiError> {
    if volume.spec.access_mode == AccessMode::Rwx {
        return Err(ApiError::not_yet(Feature::SharedVolumes, format_args!("attaching volume {}", volume.name())));
    }
    // Nobody sees half of a copy.
    rules::filled(volume, "attaching")?;
    if volume.status.robustness == Robustness::Faulted {
        let why = volume.status.causes.first().map_or("no replica with all data can be used", |cause| &cause.message);
        let next_step =
            volume.status.causes.first().map_or("Bring back a node that holds a replica.", |cause| &cause.next_step);
        let message = format_args!("unable to attach volume {}: it is faulted: {why}", volume.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, next_step));
    }
    Ok(())
}

/// Without a single placed replica an attach would wait for room, silently. A volume that is just being created has
/// none yet, or none that the scheduler has looked at, and one that follows its node is placed by the attach.
async fn check_placed(store: &Store, volume: &Object<Volume>, node: &str) -> Result<(), ApiError> {
    let replicas = store.list_labelled::<Replica>(LABEL_VOLUME, volume.name()).await?;
    if let Some(refusal) = locality::refusal(volume, &replicas, node) {
        let next_step = "Attach it there, or change its dataLocality while it is detached.";
        return Err(ApiError::new(ErrorKind::Conflict, format_args!("can't attach to {node}: {refusal}"), next_step));
    }
    let is_new = replicas.is_empty() || volume.status.state == VolumeState::Creating;
    if is_new
        || volume.spec.data_locality != DataLocality::Disabled
        || replicas.iter().any(|replica| replica.spec.is_placed())
    {
        return Ok(());
    }
    let cause = volume.status.causes.first();
    let why = cause.map_or("the search goes on", |cause| &cause.message);
    let message = format_args!("unable to attach volume {}: none of its replicas has a place: {why}", volume.name());
    let next_step = cause.map_or("Look at the volume again in a moment.", |cause| &cause.next_step);
    Err(ApiError::new(ErrorKind::Conflict, message, next_step))
}

/// Whether the ticket may stand beside those that are there.
fn check_admission(
    volume: &Object<Volume>,
    attachment: &Object<VolumeAttachment>,
    wanted: &AttachmentTicket,
) -> Result<(), ApiError> {
    ticket::check_room(attachment, &wanted.id)?;
    check_rivals(volume, attachment, wanted)
}

/// A volume is on one node at a time, in one way: with a device or without.
fn check_rivals(
    volume: &Object<Volume>,
    attachment: &Object<VolumeAttachment>,
    wanted: &AttachmentTicket,
) -> Result<(), ApiError> {
    let name = volume.name();
    for ticket in attachment.spec.attachment_tickets.values().filter(|ticket| ticket.kind.is_workload()) {
        let next_step = format_args!("Detach it from {} first.", ticket.node_id);
        if ticket.node_id != wanted.node_id {
            let message = format_args!(
                "unable to attach volume {name} to {}: it is attached to {}",
                wanted.node_id, ticket.node_id
            );
            return Err(ApiError::new(ErrorKind::Conflict, message, next_step));
        }
        if ticket.disables_frontend() != wanted.disables_frontend() {
            let how = if ticket.disables_frontend() { "without a device" } else { "with its device" };
            let message = format_args!("volume {name} is attached to {} {how} already", ticket.node_id);
            return Err(ApiError::new(ErrorKind::Conflict, message, next_step));
        }
    }
    Ok(())
}

/// The volume's attachment; made when nothing has yet.
async fn attachment_of(store: &Store, volume: &Object<Volume>) -> Result<Object<VolumeAttachment>, ApiError> {
    if let Some(attachment) = store.find::<VolumeAttachment>(volume.name()).await? {
        return Ok(attachment);
    }
    let spec = VolumeAttachmentSpec { volume: volume.name().to_owned(), ..VolumeAttachmentSpec::default() };
    let attachment = Object::<VolumeAttachment>::new(volume.name(), spec).owned_by_volume(volume);
    match store.create(&attachment).await {
        Err(StoreError::AlreadyExists { .. }) => Ok(store.get(volume.name()).await?),
        result => Ok(result?),
    }
}
