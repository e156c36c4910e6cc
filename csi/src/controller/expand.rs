//! `ControllerExpandVolume`: the volume is larger, attached or not. A file system that is mounted grows on its node, one that is
//! not when it is staged.

use aurochs_api::volume::{Volume, VolumeState};

use crate::capability::Use;
use crate::csi::{ControllerExpandVolumeRequest, ControllerExpandVolumeResponse};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::size;
use crate::wait::{PATIENCE, Wait};

pub(super) async fn volume(
    driver: &Driver,
    request: &ControllerExpandVolumeRequest,
) -> Result<ControllerExpandVolumeResponse, Failure> {
    let name = &request.volume_id;
    if name.is_empty() {
        return Err(Failure::missing("volume_id"));
    }
    let range = request.capacity_range.as_ref().ok_or_else(|| Failure::missing("capacity_range"))?;
    let wanted = size::wanted(Some(range))?;
    let is_block = match request.volume_capability.as_ref() {
        Some(asked) => Use::of(Some(asked))?.is_block(),
        None => false,
    };
    let _turn = driver.controller_turns().take(name).await?;
    let volume = driver.manager().volume(name).await?;
    if volume.controllers.len() > 1 {
        return Err(Failure::invalid(format_args!("volume {name} has several engines: it is being moved"), ""));
    }
    if volume.size < wanted {
        check_state(&volume)?;
        let asked = driver.manager().expand(name, wanted).await;
        // A size is all that is said there.
        asked.map_err(|failure| if failure.is(Kind::Invalid) { failure.as_kind(Kind::OutOfRange) } else { failure })?;
    }
    let mut wait = Wait::new(PATIENCE);
    let grown = loop {
        let volume = driver.manager().volume(name).await?;
        let controller = volume.controllers.first();
        // One that was never attached has no engine that could tell.
        if volume.size >= wanted && controller.is_none_or(|one| one.size >= wanted && !one.is_expanding) {
            break volume;
        }
        let error = controller.map_or("", |one| one.last_expansion_error.as_str());
        if !error.is_empty() && controller.is_some_and(|one| !one.is_expanding) {
            return Err(Failure::internal(format_args!("volume {name} was not expanded: {error}"), ""));
        }
        wait.again(&format!("volume {name} was not expanded to {wanted}")).await?;
    };
    Ok(ControllerExpandVolumeResponse {
        capacity_bytes: size::signed(grown.size),
        node_expansion_required: !is_block && grown.state == VolumeState::Attached,
    })
}

fn check_state(volume: &Volume) -> Result<(), Failure> {
    if matches!(volume.state, VolumeState::Attached | VolumeState::Detached) {
        return Ok(());
    }
    let message = format_args!("volume {} is {:?}, and is expanded attached or detached", volume.name, volume.state);
    Err(Failure::wrong_state(message, "It is tried again by itself."))
}
