//! `ControllerUnpublishVolume`: the node's ticket is taken back, and with the last one the volume is detached.

use aurochs_api::attachment::DetachInput;

use crate::csi::{ControllerUnpublishVolumeRequest, ControllerUnpublishVolumeResponse};
use crate::driver::Driver;
use crate::failure::Failure;
use crate::names;
use crate::wait::{PATIENCE, Wait};

/// A volume that is still mounted is not detached: the manager says where, and it is tried again. Without a node it is taken
/// from all, mounted or not, which is what CSI asks for.
pub(super) async fn volume(
    driver: &Driver,
    request: &ControllerUnpublishVolumeRequest,
) -> Result<ControllerUnpublishVolumeResponse, Failure> {
    let (name, node) = (&request.volume_id, &request.node_id);
    if name.is_empty() {
        return Err(Failure::missing("volume_id"));
    }
    let _turn = driver.controller_turns().take(name).await?;
    let ticket = names::ticket(name, driver.name(), node);
    let input = DetachInput {
        attachment_id: if node.is_empty() { String::new() } else { ticket.clone() },
        force_detach: node.is_empty(),
        ..DetachInput::default()
    };
    let mut is_asked = false;
    let mut wait = Wait::new(PATIENCE);
    while let Some(volume) = driver.manager().find_volume(name).await? {
        let tickets = &volume.volume_attachment.attachments;
        let is_there = if node.is_empty() { !tickets.is_empty() } else { tickets.contains_key(&ticket) };
        if !is_there {
            break;
        }
        if !is_asked {
            driver.manager().detach(name, &input).await?;
            is_asked = true;
            continue;
        }
        wait.again(&format!("volume {name} was not detached from {node}")).await?;
    }
    Ok(ControllerUnpublishVolumeResponse {})
}
