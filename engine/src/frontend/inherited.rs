//! What an engine that was killed left on this node, and what that means for the next one.
//!
//! | left behind | and it is what the engine of the epoch before had | otherwise |
//! |---|---|---|
//! | ublk device, NBD device of the kernel | taken over: its kind is taken, though a better one may be possible | removed |
//! | FUSE mount with a loop device | removed: its users have got errors already | removed |
//!
//! Invariants: a volume has one block device on a node; a device that can still hand in requests of an earlier time does
//! not outlast the start of an engine that does not take it over, whatever that engine offers ([`super::tenure`]); not
//! being able to look is not the same as finding nothing.

use super::block::BlockPlaces;
use super::choice::Choice;
use super::tenure::{Attachment, Lasting};
use super::{BlockError, FrontendError, kernel_nbd, ublk};

/// Removes what may not go on, and returns what to start: `choice`, or the kind that does go on. Afterwards the tenure of
/// `places` names what goes on, if anything does.
///
/// # Errors
/// Another process serves the volume; what is there can't be looked at; or a device can't be removed: then the volume must
/// not be served in another way.
pub(super) async fn settle(choice: Choice, places: &mut BlockPlaces) -> Result<Choice, FrontendError> {
    let gives_device = choice.kind.gives_block_device();
    if let Some(attachment) = places.tenure.inherited().filter(|_| gives_device)
        && is_left(attachment, places).await?
    {
        let kind = attachment.kind.kind();
        if kind == choice.kind {
            return Ok(choice);
        }
        let reason = format!("{kind}: the device of an engine that is gone goes on; not: {}", choice.reason);
        return Ok(Choice { kind, reason });
    }
    places.tenure.start_afresh()?;
    // Who never had a device needs no rights to look for one.
    if gives_device || places.tenure.is_noted() {
        ublk::clear_leftovers(places.kernel()).await?;
        kernel_nbd::clear_leftovers(places.kernel()).await?;
    }
    Ok(choice)
}

async fn is_left(attachment: Attachment, places: &BlockPlaces) -> Result<bool, BlockError> {
    match attachment.kind {
        Lasting::Ublk => ublk::is_left(places.kernel(), attachment.token).await,
        Lasting::NbdKernel => kernel_nbd::is_left(places.kernel(), attachment.token).await,
    }
}
