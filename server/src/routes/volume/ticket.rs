//! The ticket that a client asks for when it attaches: whose it may be, what it may be called, how many there may be.
//!
//! Invariant: a ticket that came over the API is a workload's. Controllers tell workloads from their own tickets to know
//! what may be interrupted, and a volume that a workload wants is not deleted; so nobody outside can take a controller's
//! place, neither by the kind of a ticket nor by its name.

use std::collections::BTreeMap;

use aurochs_api::attachment::AttachInput;

use super::action::invalid;
use crate::error::{ApiError, ErrorKind};
use crate::resources::volume_attachment::{
    AttacherType, AttachmentTicket, PARAMETER_DISABLE_FRONTEND, PARAMETER_LAST_ATTACHED_BY,
};
use crate::resources::{Object, VolumeAttachment};

/// The longest name of anything in Kubernetes. CSI's identifiers of tickets have a quarter of it.
const TEXT_BYTES_MAXIMUM: usize = 253;
/// A volume that is shared has one ticket for each node that uses it.
const TICKETS_MAXIMUM: usize = 64;
/// Who may attach over the API: a person or a script, and the CSI driver.
const ATTACHERS: [AttacherType; 2] = [AttacherType::LonghornApi, AttacherType::CsiAttacher];

/// The ticket, or 422.
pub(super) fn asked_for(input: &AttachInput) -> Result<AttachmentTicket, ApiError> {
    let AttachInput { attachment_id: id, attached_by, host_id, .. } = input;
    for (field, text) in [("attachmentID", id), ("attachedBy", attached_by)] {
        if text.len() > TEXT_BYTES_MAXIMUM {
            let message = format_args!("{field} has {} bytes, more than {TEXT_BYTES_MAXIMUM}", text.len());
            return Err(invalid(message, "Give a shorter one."));
        }
    }
    let belongs_to = |kind: &&AttacherType| id.strip_prefix(kind.word()).is_some_and(|rest| rest.starts_with('-'));
    if let Some(owner) = AttacherType::CONTROLLERS.iter().find(belongs_to) {
        let message = format_args!("the attachmentID {id:?} is a name of tickets of the {}", owner.word());
        return Err(invalid(message, "Choose another name, or leave it empty."));
    }
    let parameters = BTreeMap::from([
        (PARAMETER_DISABLE_FRONTEND.to_owned(), input.disable_frontend.to_string()),
        (PARAMETER_LAST_ATTACHED_BY.to_owned(), attached_by.clone()),
    ]);
    let kind = kind(&input.attacher_type)?;
    Ok(AttachmentTicket { id: id.clone(), kind, node_id: host_id.clone(), parameters, generation: 0 })
}

fn kind(word: &str) -> Result<AttacherType, ApiError> {
    if word.is_empty() {
        return Ok(AttacherType::default());
    }
    ATTACHERS.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
        let words = ATTACHERS.map(|kind| kind.word());
        let next_step = format_args!("Give {}, or leave it empty.", words.join(" or "));
        invalid(format_args!("nobody attaches volumes as the attacherType {word:?}"), next_step)
    })
}

/// 409 when the volume has as many tickets as it may have, and none of this name.
pub(super) fn check_room(attachment: &Object<VolumeAttachment>, id: &str) -> Result<(), ApiError> {
    let tickets = &attachment.spec.attachment_tickets;
    if tickets.len() < TICKETS_MAXIMUM || tickets.contains_key(id) {
        return Ok(());
    }
    let message = format_args!("volume {} has {} attachment tickets already", attachment.name(), tickets.len());
    Err(ApiError::new(ErrorKind::Conflict, message, "Detach the ones that are not needed, by their attachmentID."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::volume_attachment::VolumeAttachmentSpec;

    fn input(kind: &str, id: &str) -> AttachInput {
        AttachInput { attacher_type: kind.to_owned(), attachment_id: id.to_owned(), ..AttachInput::default() }
    }

    #[test]
    fn a_ticket_from_outside_is_a_workloads() {
        for (word, kind) in [
            ("", AttacherType::LonghornApi),
            ("longhorn-api", AttacherType::LonghornApi),
            ("csi-attacher", AttacherType::CsiAttacher),
        ] {
            let ticket = asked_for(&input(word, "csi-0123")).unwrap();
            assert_eq!(ticket.kind, kind, "{word}");
            assert!(ticket.kind.is_workload());
        }
        for word in AttacherType::CONTROLLERS.iter().map(AttacherType::word).chain(["other", "me", "CSI-attacher"]) {
            let refused = asked_for(&input(word, "")).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Invalid, "{word}");
            assert!(
                refused.message.contains(word) && refused.next_step.contains("csi-attacher"),
                "{}",
                refused.message
            );
        }
    }

    #[test]
    fn no_name_is_a_controllers_and_none_is_endless() {
        for controller in AttacherType::CONTROLLERS {
            assert!(asked_for(&input("", &format!("{}-data", controller.word()))).is_err(), "{controller:?}");
        }
        assert!(asked_for(&input("", "snapshot-controllers")).is_ok());
        assert!(asked_for(&input("", &"x".repeat(253))).is_ok());
        assert!(asked_for(&input("", &"x".repeat(254))).is_err());
        let by = AttachInput { attached_by: "x".repeat(254), ..AttachInput::default() };
        assert!(asked_for(&by).unwrap_err().message.contains("attachedBy"));
    }

    #[test]
    fn a_full_attachment_takes_back_its_own_only() {
        let ticket = |at: usize| (format!("t{at}"), AttachmentTicket::default());
        let attachment_tickets = (0..TICKETS_MAXIMUM).map(ticket).collect();
        let spec = VolumeAttachmentSpec { volume: "data".into(), attachment_tickets };
        let full = Object::<VolumeAttachment>::new("data", spec);
        assert!(check_room(&full, "t0").is_ok());
        assert_eq!(check_room(&full, "more").unwrap_err().kind, ErrorKind::Conflict);
    }
}
