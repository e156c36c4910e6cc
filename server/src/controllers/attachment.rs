//! Turns tickets into `volume.spec.nodeID`, and tells every ticket whether it has what it asked for.

use std::sync::Arc;

use aurochs_api::condition::ConditionStatus;
use tokio::task::JoinHandle;

use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::resources::volume::{Robustness, VolumeState};
use crate::resources::volume_attachment::{
    AttachmentTicket, AttachmentTicketStatus, CONDITION_SATISFIED, FrontendWish, PARAMETER_LAST_ATTACHED_BY,
    VolumeAttachmentSpec, VolumeAttachmentStatus,
};
use crate::resources::{Object, Volume, VolumeAttachment, condition};

struct Attachments(Context);

/// Keys are volume names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let name_of = |name: &str| vec![name.to_owned()];
    vec![
        runtime::feed_from_store::<VolumeAttachment>(&context.store, &queue, move |tickets| name_of(tickets.name())),
        runtime::feed_from_store::<Volume>(&context.store, &queue, move |volume| name_of(volume.name())),
        runtime::run(Arc::new(Attachments(context.clone())), queue),
    ]
}

impl Controller for Attachments {
    const NAME: &'static str = "attachment";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let store = &self.0.store;
        let Some(tickets) = store.find::<VolumeAttachment>(name).await? else { return Ok(Next::Wait) };
        if tickets.is_deleting() {
            store.remove_finalizer::<VolumeAttachment>(name).await?;
            return Ok(Next::Wait);
        }
        let Some(volume) = store.find::<Volume>(name).await? else { return Ok(Next::Wait) };
        let wish = wish(&volume, &tickets.spec);
        let volume = store
            .modify::<Volume>(name, |volume| {
                volume.spec.node_id.clone_from(&wish.node);
                volume.spec.disable_frontend = wish.disable_frontend;
                if let Some(by) = &wish.attached_by {
                    volume.spec.last_attached_by.clone_from(by);
                }
            })
            .await?;
        store.modify_status::<VolumeAttachment>(name, |status| tell_tickets(status, &tickets.spec, &volume)).await?;
        Ok(Next::Wait)
    }
}

/// What the volume's spec should say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wish {
    node: String,
    disable_frontend: bool,
    attached_by: Option<String>,
}

/// Detach first, attach second: the node changes only by way of being fully detached.
fn wish(volume: &Object<Volume>, tickets: &VolumeAttachmentSpec) -> Wish {
    let now =
        Wish { node: volume.spec.node_id.clone(), disable_frontend: volume.spec.disable_frontend, attached_by: None };
    if volume.is_deleting() || volume.status.robustness == Robustness::Faulted {
        return Wish { node: String::new(), ..now };
    }
    if !now.node.is_empty() {
        return if should_detach(volume, tickets) { Wish { node: String::new(), ..now } } else { now };
    }
    if volume.status.state != VolumeState::Detached || !volume.status.current_node_id.is_empty() {
        return now;
    }
    match chosen(tickets) {
        Some(ticket) => Wish {
            node: ticket.node_id.clone(),
            disable_frontend: ticket.disables_frontend(),
            attached_by: ticket.parameters.get(PARAMETER_LAST_ATTACHED_BY).cloned(),
        },
        None => Wish { disable_frontend: false, ..now },
    }
}

/// No ticket asks for what is, or only interruptible ones do while a workload wants another node.
fn should_detach(volume: &Object<Volume>, tickets: &VolumeAttachmentSpec) -> bool {
    let current: Vec<&AttachmentTicket> =
        tickets.attachment_tickets.values().filter(|ticket| asks_for_present(ticket, volume)).collect();
    if current.is_empty() {
        return true;
    }
    let all_interruptible = current.iter().all(|ticket| ticket.kind.is_interruptible());
    let workload_elsewhere = tickets
        .attachment_tickets
        .values()
        .any(|ticket| ticket.kind.is_workload() && ticket.node_id != volume.spec.node_id);
    all_interruptible && workload_elsewhere
}

fn asks_for_present(ticket: &AttachmentTicket, volume: &Object<Volume>) -> bool {
    let served = match ticket.frontend() {
        FrontendWish::Either => true,
        FrontendWish::On => !volume.spec.disable_frontend,
        FrontendWish::Off => volume.spec.disable_frontend,
    };
    ticket.node_id == volume.spec.node_id && served
}

/// The highest priority; among equals the lexicographically smallest id.
fn chosen(tickets: &VolumeAttachmentSpec) -> Option<&AttachmentTicket> {
    // The map is ordered by id, and `min_by_key` keeps the first of equals.
    tickets.attachment_tickets.values().min_by_key(|ticket| std::cmp::Reverse(ticket.kind.priority()))
}

fn tell_tickets(status: &mut VolumeAttachmentStatus, spec: &VolumeAttachmentSpec, volume: &Object<Volume>) {
    status.attachment_ticket_statuses.retain(|id, _| spec.attachment_tickets.contains_key(id));
    for (id, ticket) in &spec.attachment_tickets {
        let told = status.attachment_ticket_statuses.entry(id.clone()).or_default();
        tell(told, ticket, volume);
    }
}

fn tell(told: &mut AttachmentTicketStatus, ticket: &AttachmentTicket, volume: &Object<Volume>) {
    let here = volume.status.state == VolumeState::Attached && volume.status.current_node_id == ticket.node_id;
    let satisfied = here && asks_for_present(ticket, volume);
    let message = if satisfied {
        String::new()
    } else if volume.status.robustness == Robustness::Faulted {
        "the volume is faulted: no replica with all of its data can be reached".to_owned()
    } else if !volume.spec.node_id.is_empty() && volume.spec.node_id != ticket.node_id {
        format!("the volume is in use on {}", volume.spec.node_id)
    } else if here {
        format!("the volume is attached with other parameters (disableFrontend={})", volume.spec.disable_frontend)
    } else {
        "waiting for the volume to be attached".to_owned()
    };
    told.id.clone_from(&ticket.id);
    told.generation = ticket.generation;
    told.satisfied = satisfied;
    let status = if satisfied { ConditionStatus::True } else { ConditionStatus::False };
    condition::set(&mut told.conditions, CONDITION_SATISFIED, status, "", &message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::volume_attachment::AttacherType;

    fn ticket(id: &str, kind: AttacherType, node: &str) -> AttachmentTicket {
        AttachmentTicket { id: id.into(), kind, node_id: node.into(), ..AttachmentTicket::default() }
    }

    fn tickets(list: &[AttachmentTicket]) -> VolumeAttachmentSpec {
        let attachment_tickets = list.iter().map(|ticket| (ticket.id.clone(), ticket.clone())).collect();
        VolumeAttachmentSpec { volume: "v".into(), attachment_tickets }
    }

    fn volume(node: &str, state: VolumeState) -> Object<Volume> {
        let mut volume = Object::<Volume>::new("v", Default::default());
        volume.spec.node_id = node.into();
        volume.status.state = state;
        if state == VolumeState::Attached {
            volume.status.current_node_id = node.into();
        }
        volume
    }

    #[test]
    fn attaches_only_what_is_fully_detached() {
        let spec = tickets(&[ticket("a", AttacherType::LonghornApi, "node-1")]);
        assert_eq!(wish(&volume("", VolumeState::Detached), &spec).node, "node-1");
        assert_eq!(wish(&volume("", VolumeState::Detaching), &spec).node, "");
        let mut faulted = volume("", VolumeState::Detached);
        faulted.status.robustness = Robustness::Faulted;
        assert_eq!(wish(&faulted, &spec).node, "");
    }

    #[test]
    fn the_strongest_ticket_wins_and_ties_go_by_id() {
        let spec = tickets(&[
            ticket("a", AttacherType::SnapshotController, "node-3"),
            ticket("c", AttacherType::LonghornApi, "node-1"),
            ticket("b", AttacherType::LonghornApi, "node-2"),
        ]);
        assert_eq!(wish(&volume("", VolumeState::Detached), &spec).node, "node-2");
    }

    #[test]
    fn detaches_when_nobody_asks_or_when_parameters_differ() {
        let attached = volume("node-1", VolumeState::Attached);
        assert_eq!(wish(&attached, &tickets(&[])).node, "");
        let mut maintenance = ticket("a", AttacherType::LonghornApi, "node-1");
        assert_eq!(wish(&attached, &tickets(&[maintenance.clone()])).node, "node-1");
        maintenance.parameters.insert("disableFrontend".into(), "true".into());
        assert_eq!(wish(&attached, &tickets(&[maintenance])).node, "");
    }

    #[test]
    fn a_workload_pushes_an_interruptible_ticket_away() {
        let attached = volume("node-1", VolumeState::Attached);
        let backup = ticket("a", AttacherType::BackupController, "node-1");
        let workload = ticket("b", AttacherType::CsiAttacher, "node-2");
        assert_eq!(wish(&attached, &tickets(&[backup.clone(), workload.clone()])).node, "");
        let other = ticket("c", AttacherType::LonghornApi, "node-1");
        assert_eq!(wish(&attached, &tickets(&[backup, workload, other])).node, "node-1");
    }

    #[test]
    fn tickets_are_told_why_they_wait() {
        let spec = tickets(&[
            ticket("a", AttacherType::LonghornApi, "node-1"),
            ticket("b", AttacherType::CsiAttacher, "node-2"),
        ]);
        let mut status = VolumeAttachmentStatus::default();
        tell_tickets(&mut status, &spec, &volume("node-1", VolumeState::Attached));
        assert!(status.attachment_ticket_statuses["a"].satisfied);
        let other = &status.attachment_ticket_statuses["b"];
        assert!(!other.satisfied && other.conditions[0].message.contains("node-1"));
    }
}
