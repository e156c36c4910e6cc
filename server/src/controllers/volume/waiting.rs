//! Why somebody does not get the volume: which replica, node, ticket or engine is waited for, and since when.

use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};

use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::Error;
use crate::resources::engine::InstanceState;
use crate::resources::volume::{Frontend, VolumeState};
use crate::resources::volume_attachment::{AttachmentTicket, CONDITION_SATISFIED};
use crate::resources::{Object, Replica, Volume, VolumeAttachment, condition, timestamp};

/// An attach takes a second or two; what takes longer is told.
const PATIENCE: Duration = Duration::from_secs(15);

/// Adds what a ticket waits for. `state` is what this pass decided.
pub(super) async fn tell(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    state: VolumeState,
    findings: &mut Findings,
) -> Result<(), Error> {
    let context = &volumes.context;
    let detaching_for = volumes.memory.detaching_for(volume.name(), state == VolumeState::Detaching);
    // What is said about the data explains the waiting too.
    if findings.causes.iter().any(|cause| cause.severity == Severity::Error) {
        return Ok(());
    }
    let Some(tickets) = context.store.find::<VolumeAttachment>(volume.name()).await? else { return Ok(()) };
    let Some((ticket, since)) = longest_waiting(&tickets) else {
        match detaching_for {
            Some(waited) if waited < PATIENCE => findings.look_again_in(PATIENCE.saturating_sub(waited)),
            Some(_) => findings.causes.push(still_up(volume, family)),
            None => {}
        }
        return Ok(());
    };
    let waited = timestamp::age(since).unwrap_or_default();
    if waited < PATIENCE {
        // A whole second more: times in resources have no fractions.
        findings.look_again_in(PATIENCE.saturating_sub(waited) + Duration::from_secs(1));
        return Ok(());
    }
    let silent = |node: &str| !context.instances.answers(node);
    findings.causes.extend(if state == VolumeState::Attached {
        conflict(volume, &tickets, ticket, since)
    } else {
        Some(waits(volume, family, ticket, since, silent))
    });
    Ok(())
}

/// The workload's ticket that is not served, the strongest first; those of controllers where there is none.
pub(super) fn longest_waiting(tickets: &Object<VolumeAttachment>) -> Option<(&AttachmentTicket, &str)> {
    let waiting = tickets.spec.attachment_tickets.values().filter_map(|ticket| {
        let told = tickets.status.attachment_ticket_statuses.get(&ticket.id)?;
        let satisfied = condition::find(&told.conditions, CONDITION_SATISFIED)?;
        (!told.satisfied).then_some((ticket, satisfied.last_transition_time.as_str()))
    });
    waiting.min_by_key(|(ticket, since)| {
        (!ticket.kind.is_workload(), std::cmp::Reverse(ticket.kind.priority()), (*since).to_owned())
    })
}

/// Who asked, as people know them.
fn asker(ticket: &AttachmentTicket) -> String {
    if ticket.id.is_empty() { ticket.kind.word().to_owned() } else { format!("{} ({})", ticket.kind.word(), ticket.id) }
}

pub(super) fn conflict(
    volume: &Object<Volume>,
    tickets: &Object<VolumeAttachment>,
    ticket: &AttachmentTicket,
    since: &str,
) -> Option<Cause> {
    let holds = |other: &&AttachmentTicket| other.id != ticket.id && other.node_id == volume.spec.node_id;
    let holder = tickets.spec.attachment_tickets.values().find(holds)?;
    let (name, here) = (volume.name(), &volume.spec.node_id);
    let how = if ticket.node_id == *here { "with its device" } else { "there" };
    Some(Cause {
        code: CauseCode::AttachConflict,
        severity: Severity::Warning,
        message: format!(
            "{} wants {name} on {} {how} since {since}, and {} has it on {here}.",
            asker(ticket),
            ticket.node_id,
            asker(holder)
        ),
        next_step: if holder.kind.is_workload() {
            format!("Detach {name} from {here}, or stop what uses it there.")
        } else {
            "It goes on by itself when that is done.".to_owned()
        },
        objects: vec![name.to_owned(), here.clone(), ticket.node_id.clone()],
        details: Vec::new(),
    })
}

pub(super) fn waits(
    volume: &Object<Volume>,
    family: &Family,
    ticket: &AttachmentTicket,
    since: &str,
    silent: impl Fn(&str) -> bool,
) -> Cause {
    let (name, node) = (volume.name(), &ticket.node_id);
    let (what, next_step, mut objects) = obstacle(volume, family, node, silent);
    objects.insert(0, name.to_owned());
    Cause {
        code: CauseCode::AttachWaiting,
        severity: Severity::Warning,
        message: format!("{name} is to be attached to {node} for {} since {since}: {what}.", asker(ticket)),
        next_step: next_step.to_owned(),
        objects,
        details: Vec::new(),
    }
}

/// The data engine is switched off as a whole.
pub(super) fn engine_off(volume: &Object<Volume>) -> Cause {
    let name = volume.name();
    let message = format!("{name} is not attached: the data engine v1 is turned off.");
    Cause::new(CauseCode::AttachWaiting, Severity::Error, message, "Set the setting v1-data-engine to true.")
        .about([name])
}

/// Nobody waits for it, and it does not come down all the same.
pub(super) fn still_up(volume: &Object<Volume>, family: &Family) -> Cause {
    let name = volume.name();
    let (what, next_step, mut objects) = running_on(family);
    objects.insert(0, name.to_owned());
    let message = format!("{name} is to be detached: {what}.");
    Cause::new(CauseCode::DetachWaiting, Severity::Warning, message, next_step).about(objects)
}

type Obstacle = (String, &'static str, Vec<String>);

/// What keeps a volume from being closed.
fn running_on(family: &Family) -> Obstacle {
    let engine = &family.engine;
    if engine.status.current_state != InstanceState::Stopped {
        let (name, node) = (engine.name(), &engine.spec.node_id);
        let what = format!("engine {name} on {node} has not ended yet");
        let next_step =
            "If its node is lost for good, switch its scheduling off and remove the node; else bring it back.";
        return (what, next_step, vec![node.clone()]);
    }
    let busy = |state| !matches!(state, InstanceState::Stopped | InstanceState::Unknown);
    let (names, objects) = named(family, |replica| busy(replica.status.current_state));
    let next_step =
        "One that does not end within its grace is killed; if it still stays, its disk hangs: look at that.";
    (format!("these replicas have not ended yet: {names}"), next_step, objects)
}

fn obstacle(volume: &Object<Volume>, family: &Family, node: &str, silent: impl Fn(&str) -> bool) -> Obstacle {
    let engine = &family.engine;
    let (engine_name, engine_node, state) = (engine.name(), &engine.spec.node_id, engine.status.current_state);
    if volume.status.state == VolumeState::Detaching {
        return running_on(family);
    }
    if silent(node) {
        let next_step = "Bring the node back, or attach the volume to another one.";
        return (format!("{node} does not answer"), next_step, vec![node.to_owned()]);
    }
    let starting = |replica: &Object<Replica>| {
        replica.spec.desire_state == InstanceState::Running && replica.status.current_state != InstanceState::Running
    };
    let (names, objects) = named(family, starting);
    if !objects.is_empty() {
        return (format!("these replicas are still starting: {names}"), "Look at these disks and nodes.", objects);
    }
    if matches!(state, InstanceState::Starting | InstanceState::Running) {
        let doing = match engine.status.cause.trim_end_matches('.') {
            "" if volume.spec.disable_frontend || volume.spec.frontend == Frontend::None => "it opens its replicas",
            "" => "it opens its replicas and sets up its frontend",
            cause => cause,
        };
        let what = format!("engine {engine_name} starts on {engine_node}: {doing}");
        return (what, "The engine's log on that node tells more.", vec![engine_node.clone()]);
    }
    let next_step = "It goes on by itself; the manager's log tells what it tries.";
    ("its engine has not been started yet".to_owned(), next_step, Vec::new())
}

fn named(family: &Family, which: impl Fn(&Object<Replica>) -> bool) -> (String, Vec<String>) {
    let replicas: Vec<&Object<Replica>> = family.replicas.iter().filter(|&replica| which(replica)).collect();
    let names: Vec<String> =
        replicas.iter().map(|replica| format!("{} on {}", replica.name(), replica.spec.node_id)).collect();
    let objects = replicas.iter().flat_map(|replica| [replica.spec.node_id.clone(), replica.name().to_owned()]);
    (names.join(", "), objects.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::replica::ReplicaSpec;
    use crate::resources::volume_attachment::{AttacherType, VolumeAttachmentSpec};
    use aurochs_api::condition::ConditionStatus;

    const SINCE: &str = "2026-01-01T00:00:00Z";

    fn tickets(list: &[(&str, AttacherType, &str)]) -> Object<VolumeAttachment> {
        let mut spec = VolumeAttachmentSpec { volume: "v".into(), ..VolumeAttachmentSpec::default() };
        for (id, kind, node) in list {
            let ticket = AttachmentTicket {
                id: (*id).into(),
                kind: kind.clone(),
                node_id: (*node).into(),
                ..AttachmentTicket::default()
            };
            spec.attachment_tickets.insert((*id).to_owned(), ticket);
        }
        let mut tickets = Object::<VolumeAttachment>::new("v", spec);
        for (id, ..) in list {
            let told = tickets.status.attachment_ticket_statuses.entry((*id).to_owned()).or_default();
            condition::set(&mut told.conditions, CONDITION_SATISFIED, ConditionStatus::False, "", "");
            told.conditions[0].last_transition_time = SINCE.to_owned();
        }
        tickets
    }

    fn volume(state: VolumeState) -> Object<Volume> {
        let mut volume = Object::<Volume>::new("v", Default::default());
        volume.spec.node_id = "node-1".into();
        volume.status.state = state;
        volume
    }

    fn family(replica: InstanceState, engine: InstanceState) -> Family {
        let spec =
            ReplicaSpec { node_id: "node-2".into(), desire_state: InstanceState::Running, ..ReplicaSpec::default() };
        let mut one = Object::<Replica>::new("v-r-1", spec);
        one.status.current_state = replica;
        let mut family = Family { engine: Object::new("v-e-0", Default::default()), replicas: vec![one] };
        family.engine.spec.node_id = "node-1".into();
        family.engine.status.current_state = engine;
        family
    }

    #[test]
    fn what_is_waited_for_is_named() {
        use InstanceState::{Running, Starting, Stopped};
        let tickets = tickets(&[("", AttacherType::LonghornApi, "node-1")]);
        let (ticket, since) = longest_waiting(&tickets).unwrap();
        let said = |state, replica, engine, silent: &str| {
            waits(&volume(state), &family(replica, engine), ticket, since, |node| node == silent).message
        };
        let rows = [
            (VolumeState::Attaching, Starting, Stopped, "", "still starting: v-r-1 on node-2"),
            (VolumeState::Attaching, Running, Starting, "", "engine v-e-0 starts on node-1"),
            (VolumeState::Attaching, Running, Starting, "node-1", "node-1 does not answer"),
            (VolumeState::Detaching, Running, Running, "", "engine v-e-0 on node-1 has not ended"),
            (VolumeState::Detaching, Running, Stopped, "", "have not ended yet: v-r-1 on node-2"),
        ];
        for (state, replica, engine, silent, expected) in rows {
            let message = said(state, replica, engine, silent);
            assert!(message.contains(expected) && message.contains(SINCE), "{message}");
            assert!(message.contains("longhorn-api"), "{message}");
        }
    }

    #[test]
    fn a_detach_that_nobody_waits_for_is_told_too() {
        use InstanceState::{Running, Stopped, Unknown};
        for (replica, engine, expected) in [
            (Running, Unknown, "engine v-e-0 on node-1 has not ended yet"),
            (Running, Stopped, "have not ended yet: v-r-1 on node-2"),
        ] {
            let cause = still_up(&volume(VolumeState::Detaching), &family(replica, engine));
            assert_eq!(cause.code, CauseCode::DetachWaiting);
            assert!(cause.message.contains(expected) && !cause.next_step.is_empty(), "{cause:?}");
        }
    }

    #[test]
    fn two_workloads_are_told_of_each_other() {
        let tickets =
            tickets(&[("a", AttacherType::CsiAttacher, "node-2"), ("b", AttacherType::LonghornApi, "node-1")]);
        let waiting = &tickets.spec.attachment_tickets["a"];
        let cause = conflict(&volume(VolumeState::Attached), &tickets, waiting, SINCE).unwrap();
        assert_eq!(cause.code, CauseCode::AttachConflict);
        for part in ["csi-attacher (a)", "node-2", "longhorn-api (b)", "node-1", SINCE] {
            assert!(cause.message.contains(part), "{}", cause.message);
        }
        let strongest = longest_waiting(&tickets).unwrap().0;
        assert_eq!(strongest.id, "b", "by priority");
    }
}
