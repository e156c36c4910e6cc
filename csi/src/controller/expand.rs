//! `ControllerExpandVolume`: the volume is larger, attached or not. A file system that is mounted grows on its node, one that is
//! not when it is staged.

use aurochs_api::size::ByteSize;
use aurochs_api::volume::{Volume, VolumeState};

use super::tickets;
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
    let mut wait = Wait::new(PATIENCE);
    let grown = loop {
        let volume = driver.manager().volume(name).await?;
        if has_grown(&volume, wanted)? {
            break volume;
        }
        let state = volume.state;
        if volume.size < wanted && matches!(state, VolumeState::Attached | VolumeState::Detached) {
            match driver.manager().expand(name, wanted).await {
                // It was on its way to another state already when it was looked at, and is waited for.
                Err(failure) if failure.is(Kind::WrongState) && driver.manager().volume(name).await?.state != state => {
                    tracing::debug!(name, %failure, "not expanded yet");
                }
                // A size is all that is said there.
                Err(failure) if failure.is(Kind::Invalid) => return Err(failure.as_kind(Kind::OutOfRange)),
                asked => asked?,
            }
        }
        wait.again(&format!("volume {name}, which is {state:?}, was not expanded to {wanted}")).await?;
    };
    Ok(ControllerExpandVolumeResponse {
        capacity_bytes: size::signed(grown.size),
        node_expansion_required: !is_block && grown.state == VolumeState::Attached && tickets::of_workloads(&grown),
    })
}

/// The volume and its engine, as far as it has one.
fn has_grown(volume: &Volume, wanted: ByteSize) -> Result<bool, Failure> {
    let name = &volume.name;
    let controller = match volume.controllers.as_slice() {
        [] => return Ok(volume.size >= wanted),
        [controller] => controller,
        _ => return Err(Failure::invalid(format_args!("volume {name} has several engines: it is being moved"), "")),
    };
    if volume.size < wanted {
        return Ok(false);
    }
    if controller.size >= wanted && !controller.is_expanding {
        return Ok(true);
    }
    let error = &controller.last_expansion_error;
    if error.is_empty() || controller.is_expanding {
        return Ok(false);
    }
    Err(Failure::internal(format_args!("volume {name} was not expanded: {error}"), ""))
}

#[cfg(test)]
mod tests {
    use aurochs_api::volume::Controller;

    use super::*;

    #[test]
    fn when_it_has_grown() {
        let of = |volume: u64, engine: u64, is_expanding: bool, error: &str| {
            let last_expansion_error = error.to_owned();
            let one =
                Controller { size: ByteSize(engine), is_expanding, last_expansion_error, ..Controller::default() };
            let volume = Volume { size: ByteSize(volume), controllers: vec![one], ..Volume::default() };
            has_grown(&volume, ByteSize(2)).map_err(|failure| failure.kind)
        };
        assert_eq!(of(2, 2, false, ""), Ok(true));
        assert_eq!(of(3, 3, false, "an older one"), Ok(true));
        assert_eq!(of(1, 1, false, "an older one"), Ok(false), "it was not asked for yet");
        assert_eq!(of(2, 1, true, "an older one"), Ok(false));
        assert_eq!(of(2, 2, true, ""), Ok(false));
        assert_eq!(of(2, 1, false, "no room"), Err(Kind::Internal));
        let new = Volume { size: ByteSize(2), ..Volume::default() };
        assert_eq!(has_grown(&new, ByteSize(2)), Ok(true), "one without an engine");
    }
}
