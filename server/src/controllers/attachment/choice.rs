//! Which ticket a volume follows (behaviour.md §5): pure.
//!
//! Detach first, attach second: the node changes only by way of being fully detached.

use crate::resources::volume::{AccessMode, CloneState, Robustness, VolumeState};
use crate::resources::volume_attachment::{
    AttacherType, AttachmentTicket, FrontendWish, PARAMETER_LAST_ATTACHED_BY, VolumeAttachmentSpec,
};
use crate::resources::{Object, Volume};

/// What the volume's spec should say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub node: String,
    pub disable_frontend: bool,
    pub attached_by: Option<String>,
}

pub(super) fn wish(volume: &Object<Volume>, tickets: &VolumeAttachmentSpec) -> Wish {
    let now =
        Wish { node: volume.spec.node_id.clone(), disable_frontend: volume.spec.disable_frontend, attached_by: None };
    if volume.is_deleting() || volume.status.robustness == Robustness::Faulted {
        return Wish { node: String::new(), ..now };
    }
    let tickets: Vec<&AttachmentTicket> =
        tickets.attachment_tickets.values().filter(|ticket| counts(ticket, volume)).collect();
    if !now.node.is_empty() {
        return if should_detach(volume, &tickets) { Wish { node: String::new(), ..now } } else { now };
    }
    if volume.status.state != VolumeState::Detached || !volume.status.current_node_id.is_empty() {
        return now;
    }
    match chosen(volume, &tickets) {
        Some(ticket) => Wish {
            node: ticket.node_id.clone(),
            disable_frontend: ticket.disables_frontend(),
            attached_by: ticket.parameters.get(PARAMETER_LAST_ATTACHED_BY).cloned(),
        },
        None => Wish { disable_frontend: false, ..now },
    }
}

/// Workloads of a shared volume reach it over the network: the share manager's ticket stands in for theirs.
fn counts(ticket: &AttachmentTicket, volume: &Object<Volume>) -> bool {
    let shared = volume.spec.access_mode == AccessMode::Rwx && !volume.spec.migratable;
    !(shared && ticket.kind == AttacherType::CsiAttacher)
}

/// No ticket asks for what is, or only interruptible ones do while a workload wants something else.
fn should_detach(volume: &Object<Volume>, tickets: &[&AttachmentTicket]) -> bool {
    let mut current = tickets.iter().filter(|ticket| asks_for_present(ticket, volume)).peekable();
    if current.peek().is_none() {
        return true;
    }
    let workload_waits = tickets.iter().any(|ticket| ticket.kind.is_workload() && !asks_for_present(ticket, volume));
    workload_waits && current.all(|ticket| is_interruptible(ticket, volume))
}

/// A copy that is there and only waits for its replicas can go on wherever the volume is.
fn is_interruptible(ticket: &AttachmentTicket, volume: &Object<Volume>) -> bool {
    let copied = volume.status.clone_status.state == CloneState::CopyCompletedAwaitingHealthy;
    ticket.kind.is_interruptible() || (ticket.kind == AttacherType::VolumeCloneController && copied)
}

/// The volume is, or is becoming, what the ticket asks for.
pub(super) fn asks_for_present(ticket: &AttachmentTicket, volume: &Object<Volume>) -> bool {
    let served = match ticket.frontend() {
        FrontendWish::Either => true,
        FrontendWish::On => !volume.spec.disable_frontend,
        FrontendWish::Off => volume.spec.disable_frontend,
    };
    ticket.node_id == volume.spec.node_id && served
}

/// The highest priority; among equals the lexicographically smallest id.
fn chosen<'a>(volume: &Object<Volume>, tickets: &[&'a AttachmentTicket]) -> Option<&'a AttachmentTicket> {
    let workloads = tickets.iter().filter(|ticket| ticket.kind == AttacherType::CsiAttacher).count();
    if volume.spec.migratable && workloads > 1 {
        // Which of them is the one to migrate from can't be told.
        return None;
    }
    // The map is ordered by id, and `min_by_key` keeps the first of equals.
    tickets.iter().copied().min_by_key(|ticket| std::cmp::Reverse(ticket.kind.priority()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_workload_on_the_same_node_that_wants_a_device_pushes_a_snapshots_ticket_away() {
        let mut attached = volume("node-1", VolumeState::Attached);
        attached.spec.disable_frontend = true;
        let mut snapshot = ticket("a", AttacherType::SnapshotController, "node-1");
        snapshot.parameters.insert("disableFrontend".into(), "any".into());
        assert_eq!(wish(&attached, &tickets(&[snapshot.clone()])).node, "node-1");
        let workload = ticket("b", AttacherType::LonghornApi, "node-1");
        assert_eq!(wish(&attached, &tickets(&[snapshot.clone(), workload.clone()])).node, "");
        attached.spec.disable_frontend = false;
        assert_eq!(wish(&attached, &tickets(&[snapshot, workload])).node, "node-1", "both are served");
    }

    #[test]
    fn either_way_serves_and_brings_no_device_of_its_own() {
        let mut expansion = ticket("a", AttacherType::VolumeExpansionController, "node-1");
        expansion.parameters.insert("disableFrontend".into(), "any".into());
        let wished = wish(&volume("", VolumeState::Detached), &tickets(&[expansion.clone()]));
        assert!(wished.disable_frontend && wished.node == "node-1");
        let attached = volume("node-1", VolumeState::Attached);
        assert_eq!(wish(&attached, &tickets(&[expansion])).node, "node-1", "no detach for the sake of it");
    }

    #[test]
    fn interruptible_clone_in_copy_completed_awaiting_healthy() {
        let mut attached = volume("node-1", VolumeState::Attached);
        let clone = ticket("a", AttacherType::VolumeCloneController, "node-1");
        let workload = ticket("b", AttacherType::LonghornApi, "node-2");
        let both = tickets(&[clone, workload]);
        assert_eq!(wish(&attached, &both).node, "node-1", "a copy is not interrupted");
        attached.status.clone_status.state = CloneState::CopyCompletedAwaitingHealthy;
        assert_eq!(wish(&attached, &both).node, "");
    }

    #[test]
    fn workloads_of_a_shared_volume_do_not_attach_it_themselves() {
        let mut shared = volume("", VolumeState::Detached);
        shared.spec.access_mode = AccessMode::Rwx;
        let pod = ticket("a", AttacherType::CsiAttacher, "node-1");
        assert_eq!(wish(&shared, &tickets(std::slice::from_ref(&pod))).node, "");
        let share = ticket("b", AttacherType::ShareManagerController, "node-2");
        assert_eq!(wish(&shared, &tickets(&[pod.clone(), share])).node, "node-2");
        shared.spec.migratable = true;
        assert_eq!(wish(&shared, &tickets(&[pod])).node, "node-1");
    }

    #[test]
    fn migratable_with_several_csi_tickets_stays_detached() {
        let mut migratable = volume("", VolumeState::Detached);
        migratable.spec.migratable = true;
        let (a, b) =
            (ticket("a", AttacherType::CsiAttacher, "node-1"), ticket("b", AttacherType::CsiAttacher, "node-2"));
        assert_eq!(wish(&migratable, &tickets(&[a.clone(), b])).node, "");
        assert_eq!(wish(&migratable, &tickets(&[a])).node, "node-1");
    }

    /// behaviour.md §5: priorities, workload tickets, interruptible tickets.
    #[test]
    fn priorities_of_all_kinds() {
        use AttacherType::{
            BackupController, CsiAttacher, LonghornApi, LonghornUpgrader, Other, SalvageController,
            ShareManagerController, SnapshotController, VolumeCloneController, VolumeEvictionController,
            VolumeExpansionController, VolumeRebuildingController, VolumeRestoreController,
        };
        // (kind, priority, of a workload, interruptible)
        let kinds = [
            (VolumeRestoreController, 2000, false, false),
            (VolumeExpansionController, 2000, false, false),
            (LonghornApi, 1000, true, false),
            (CsiAttacher, 900, true, false),
            (ShareManagerController, 900, true, false),
            (SalvageController, 900, false, false),
            (SnapshotController, 800, false, true),
            (BackupController, 800, false, true),
            (VolumeCloneController, 800, false, false),
            (VolumeRebuildingController, 800, false, false),
            (VolumeEvictionController, 800, false, false),
            (LonghornUpgrader, 800, false, false),
            (Other, 800, false, false),
        ];
        for (kind, priority, is_workload, is_interruptible) in &kinds {
            assert_eq!((kind.priority(), kind.is_workload()), (*priority, *is_workload), "{kind:?}");
            let held = ticket("a", kind.clone(), "node-1");
            let waits = ticket("b", if *is_workload { SnapshotController } else { LonghornApi }, "node-2");
            let kept = wish(&volume("node-1", VolumeState::Attached), &tickets(&[held, waits])).node;
            assert_eq!(kept.is_empty(), *is_interruptible, "{kind:?}");
        }
        for (one, priority, ..) in &kinds {
            for (other, of_other, ..) in &kinds {
                // Of equals the smallest id wins.
                let both = [ticket("z", one.clone(), "node-1"), ticket("a", other.clone(), "node-2")];
                let expected = if priority > of_other { "node-1" } else { "node-2" };
                assert_eq!(wish(&volume("", VolumeState::Detached), &tickets(&both)).node, expected, "{both:?}");
            }
        }
    }
}
