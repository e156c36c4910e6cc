//! What an engine that was killed left on this node, and what that means for the next one.
//!
//! | left behind | and nobody else has had the volume | otherwise |
//! |---|---|---|
//! | ublk device, NBD device of the kernel | taken over: its kind is taken, though a better one may be possible | removed |
//! | FUSE mount with a loop device | removed: its users have got errors already | removed |
//!
//! Invariants: a volume has one block device on a node; a device that can still hand in requests of an earlier time does
//! not outlast the start of an engine that does not take it over, whatever that engine offers ([`tenure`]).

use super::block::BlockPlaces;
use super::choice::Choice;
use super::tenure::TenureError;
use super::{FrontendError, FrontendKind, kernel_nbd, tenure, ublk};

/// Removes what may not go on, and returns what to start: `choice`, or the kind that does go on.
///
/// # Errors
/// Another process serves the volume, or a device can't be removed: then it must not be served in another way.
pub(super) async fn settle(choice: Choice, places: &BlockPlaces, epoch: u64) -> Result<Choice, FrontendError> {
    if !choice.kind.gives_block_device() {
        // Who never had a device needs no rights to look for one.
        if tenure::is_noted(&places.runtime_dir) {
            clear(places).await?;
        }
        return Ok(choice);
    }
    let inherited = if tenure::continues(&places.runtime_dir, epoch) {
        left_behind(places).await
    } else {
        clear(places).await?;
        None
    };
    tenure::note(&places.runtime_dir, epoch)?;
    Ok(match inherited {
        Some(kind) if kind != choice.kind => Choice {
            kind,
            reason: format!("{kind}: the device of an engine that is gone goes on; not: {}", choice.reason),
        },
        _ => choice,
    })
}

/// Removes the devices whose requests wait.
async fn clear(places: &BlockPlaces) -> Result<(), FrontendError> {
    ublk::clear_leftovers(places.ublk()).await?;
    if ublk::is_left(places.ublk()).await {
        return Err(TenureError::Lingers { volume: places.volume.clone() }.into());
    }
    Ok(kernel_nbd::clear_leftovers(places.kernel_nbd()).await?)
}

async fn left_behind(places: &BlockPlaces) -> Option<FrontendKind> {
    if ublk::is_left(places.ublk()).await {
        return Some(FrontendKind::Ublk);
    }
    kernel_nbd::is_left(&places.kernel_nbd()).then_some(FrontendKind::NbdKernel)
}
