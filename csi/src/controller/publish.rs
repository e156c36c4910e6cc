//! `ControllerPublishVolume`: the volume is attached to a node, and its device is there.

use aurochs_api::attachment::AttachInput;
use aurochs_api::volume::{AccessMode, Frontend, Volume, VolumeState};

use crate::capability::{Sharing, Use};
use crate::csi::{ControllerPublishVolumeRequest, ControllerPublishVolumeResponse};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::names;
use crate::wait::{PATIENCE, Wait};

/// Whose ticket it is.
const ATTACHER: &str = "csi-attacher";
/// So long a volume gets to become ready by itself; one that is filled from a backup takes longer than anybody waits.
const READY_PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

pub(super) async fn volume(
    driver: &Driver,
    request: &ControllerPublishVolumeRequest,
) -> Result<ControllerPublishVolumeResponse, Failure> {
    let (name, node) = (&request.volume_id, &request.node_id);
    if name.is_empty() {
        return Err(Failure::missing("volume_id"));
    }
    if node.is_empty() {
        return Err(Failure::missing("node_id"));
    }
    let wanted = Use::of(request.volume_capability.as_ref())?;
    let _turn = driver.controller_turns().take(name).await?;
    let volume = driver.manager().volume(name).await?;
    if driver.manager().find_node(node).await?.is_none() {
        return Err(Failure::new(Kind::NotFound, format_args!("the manager knows no node {node}"), ""));
    }
    check_frontend(&volume)?;
    let ticket = names::ticket(name, driver.name(), node);
    if !has_ticket(&volume, &ticket) {
        let volume = ready(driver, name).await?;
        set_access_mode(driver, &volume, wanted.sharing).await?;
        attach(driver, name, node, &ticket).await?;
    }
    attached(driver, name, node, &ticket).await?;
    Ok(ControllerPublishVolumeResponse::default())
}

fn check_frontend(volume: &Volume) -> Result<(), Failure> {
    if matches!(volume.frontend, Frontend::Blockdev | Frontend::Ublk) {
        return Ok(());
    }
    let message =
        format_args!("volume {} has the frontend {:?}, which is no block device", volume.name, volume.frontend.word());
    Err(Failure::invalid(message, "Make a volume with the frontend blockdev."))
}

fn has_ticket(volume: &Volume, ticket: &str) -> bool {
    volume.volume_attachment.attachments.contains_key(ticket)
}

/// A volume that is being filled, or has no place, is not attached.
async fn ready(driver: &Driver, name: &str) -> Result<Volume, Failure> {
    let mut wait = Wait::new(READY_PATIENCE);
    loop {
        let volume = driver.manager().volume(name).await?;
        // Also one that the manager has attached for itself, to fill it.
        if volume.ready {
            return Ok(volume);
        }
        let why = &volume.not_ready_message;
        let failure = Failure::busy(format_args!("volume {name} is not ready to be used: {why}"));
        wait.again("").await.map_err(|_| failure)?;
    }
}

/// What a claim says of its pods is kept with the volume.
async fn set_access_mode(driver: &Driver, volume: &Volume, sharing: Sharing) -> Result<(), Failure> {
    let wanted = match sharing {
        Sharing::Pod => AccessMode::Rwop,
        Sharing::Node => return Ok(()),
    };
    if volume.access_mode == wanted {
        return Ok(());
    }
    driver.manager().set_access_mode(&volume.name, wanted).await
}

async fn attach(driver: &Driver, name: &str, node: &str, ticket: &str) -> Result<(), Failure> {
    let input = AttachInput {
        host_id: node.to_owned(),
        attacher_type: ATTACHER.to_owned(),
        attachment_id: ticket.to_owned(),
        ..AttachInput::default()
    };
    match driver.manager().attach(name, &input).await {
        Err(failure) if failure.is(Kind::WrongState) => {
            // A volume that another node has stays there until that one gives it back; everything else passes.
            let volume = driver.manager().volume(name).await?;
            let is_elsewhere = volume.volume_attachment.attachments.values().any(|other| other.node_id != node);
            Err(if is_elsewhere { failure } else { failure.as_kind(Kind::Busy) })
        }
        asked => asked,
    }
}

async fn attached(driver: &Driver, name: &str, node: &str, ticket: &str) -> Result<(), Failure> {
    let mut wait = Wait::new(PATIENCE);
    loop {
        let volume = driver.manager().volume(name).await?;
        if is_attached(&volume, node, ticket) {
            return Ok(());
        }
        if !has_ticket(&volume, ticket) {
            return Err(Failure::busy(format_args!("volume {name} was detached from {node} while it was attached")));
        }
        let told = why_not(&volume, ticket);
        wait.again(&format!("volume {name} was not attached to {node}")).await.map_err(|failure| match told {
            Some(why) => Failure::internal(format_args!("{}: {why}", failure.message), failure.next_step),
            None => failure,
        })?;
    }
}

fn is_attached(volume: &Volume, node: &str, ticket: &str) -> bool {
    let satisfied = volume.volume_attachment.attachments.get(ticket).is_some_and(|ticket| ticket.satisfied);
    let here =
        |controller: &aurochs_api::volume::Controller| controller.host_id == node && !controller.endpoint.is_empty();
    satisfied && volume.state == VolumeState::Attached && volume.controllers.iter().any(here)
}

/// What the manager says of a ticket that is not honoured.
fn why_not(volume: &Volume, ticket: &str) -> Option<String> {
    let ticket = volume.volume_attachment.attachments.get(ticket)?;
    let of_ticket = ticket.conditions.iter().map(|condition| &condition.message);
    let of_volume = volume.causes.iter().map(|cause| &cause.message);
    of_ticket.chain(of_volume).find(|message| !message.is_empty()).cloned()
}
