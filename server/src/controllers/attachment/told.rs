//! Tells every ticket whether it has what it asked for, and if not, why.

use aurochs_api::condition::ConditionStatus;

use super::choice::asks_for_present;
use crate::resources::volume::{Robustness, VolumeState};
use crate::resources::volume_attachment::{
    AttachmentTicket, AttachmentTicketStatus, CONDITION_SATISFIED, VolumeAttachmentSpec, VolumeAttachmentStatus,
};
use crate::resources::{Object, Volume, condition};

/// `silent`: nodes that do not answer.
pub(super) fn tell_tickets(
    status: &mut VolumeAttachmentStatus,
    spec: &VolumeAttachmentSpec,
    volume: &Object<Volume>,
    silent: &[&str],
) {
    status.attachment_ticket_statuses.retain(|id, _| spec.attachment_tickets.contains_key(id));
    for (id, ticket) in &spec.attachment_tickets {
        let told = status.attachment_ticket_statuses.entry(id.clone()).or_default();
        tell(told, ticket, volume, silent);
    }
}

fn tell(told: &mut AttachmentTicketStatus, ticket: &AttachmentTicket, volume: &Object<Volume>, silent: &[&str]) {
    let obstacle = obstacle(ticket, volume, silent);
    told.id.clone_from(&ticket.id);
    told.generation = ticket.generation;
    told.satisfied = obstacle.is_none();
    let status = if told.satisfied { ConditionStatus::True } else { ConditionStatus::False };
    condition::set(&mut told.conditions, CONDITION_SATISFIED, status, "", &obstacle.unwrap_or_default());
}

/// Why the ticket is not served; none when it is.
fn obstacle(ticket: &AttachmentTicket, volume: &Object<Volume>, silent: &[&str]) -> Option<String> {
    let (spec, status) = (&volume.spec, &volume.status);
    let here = status.state == VolumeState::Attached && status.current_node_id == ticket.node_id;
    if here && asks_for_present(ticket, volume) {
        return None;
    }
    Some(if status.robustness == Robustness::Faulted {
        let why = status.causes.first().map(|cause| format!(": {}", cause.message)).unwrap_or_default();
        format!("the volume is faulted{why}")
    } else if !spec.node_id.is_empty() && spec.node_id != ticket.node_id {
        format!("the volume is in use on {}", spec.node_id)
    } else if silent.contains(&ticket.node_id.as_str()) {
        format!("{} does not answer", ticket.node_id)
    } else if here {
        format!("the volume is attached with other parameters (disableFrontend={})", spec.disable_frontend)
    } else {
        "waiting for the volume to be attached".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::volume_attachment::AttacherType;

    #[test]
    fn tickets_are_told_why_they_wait() {
        let ticket = |id: &str, node: &str| {
            let kind = AttacherType::CsiAttacher;
            (id.to_owned(), AttachmentTicket { id: id.into(), kind, node_id: node.into(), ..Default::default() })
        };
        let attachment_tickets = [ticket("a", "node-1"), ticket("b", "node-2"), ticket("c", "node-3")];
        let spec = VolumeAttachmentSpec { volume: "v".into(), attachment_tickets: attachment_tickets.into() };
        let mut volume = Object::<Volume>::new("v", Default::default());
        (volume.spec.node_id, volume.status.current_node_id) = ("node-1".into(), "node-1".into());
        volume.status.state = VolumeState::Attached;
        let mut status = VolumeAttachmentStatus::default();
        let message = |status: &VolumeAttachmentStatus, id: &str| {
            status.attachment_ticket_statuses[id].conditions[0].message.clone()
        };
        tell_tickets(&mut status, &spec, &volume, &[]);
        assert!(status.attachment_ticket_statuses["a"].satisfied);
        assert!(!status.attachment_ticket_statuses["b"].satisfied);
        assert!(message(&status, "b").contains("in use on node-1"));
        volume.spec.node_id.clear();
        volume.status.state = VolumeState::Detached;
        tell_tickets(&mut status, &spec, &volume, &["node-3"]);
        assert_eq!(message(&status, "c"), "node-3 does not answer");
        assert_eq!(message(&status, "a"), "waiting for the volume to be attached");
    }
}
