//! Volume attachments: of one volume, and each ticket under its own name.

use super::Judge;
use super::asked::Asked;
use super::review::Operation;
use crate::error::{ApiError, ErrorKind};
use crate::resources::{Volume, VolumeAttachment};

/// The volume owns it and is found by it.
pub(super) async fn complete(judge: &Judge, asked: &mut Asked<VolumeAttachment>) -> Result<(), ApiError> {
    let volume = judge.store.find::<Volume>(&asked.object.spec.volume).await?;
    if let Some(volume) = volume.filter(|_| asked.before.is_none()) {
        asked.object = asked.object.clone().owned_by_volume(&volume);
    }
    Ok(())
}

pub(super) fn check(asked: &Asked<VolumeAttachment>) -> Result<(), ApiError> {
    let (attachment, name) = (&asked.object, asked.object.name());
    let is_written = matches!(asked.operation, Operation::Create | Operation::Update) && !asked.is_going();
    if !is_written {
        return Ok(());
    }
    let invalid =
        |message: std::fmt::Arguments<'_>, next_step: &str| Err(ApiError::new(ErrorKind::Invalid, message, next_step));
    if attachment.spec.volume.is_empty() {
        return invalid(format_args!("volume attachment {name} is of no volume"), "Give spec.volume.");
    }
    if asked.before.as_ref().is_some_and(|before| before.spec.volume != attachment.spec.volume) {
        let message = format_args!("the volume of volume attachment {name} can't be changed");
        return invalid(message, "Leave it as it is.");
    }
    match attachment.spec.attachment_tickets.iter().find(|(key, ticket)| **key != ticket.id) {
        None => Ok(()),
        Some((key, ticket)) => {
            let message = format_args!("the ticket {key:?} of volume attachment {name} calls itself {:?}", ticket.id);
            invalid(message, "Give each ticket's id as its key.")
        }
    }
}
