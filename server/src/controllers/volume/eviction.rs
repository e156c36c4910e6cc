//! Eviction (behaviour.md §3): replicas leave a disk or node that is being emptied. Their replacements come first; a
//! detached volume is attached for it.
//!
//! Where a replica is to leave is decided by node and disk; the replica says it too (`spec.evictionRequested`), for all
//! who judge replicas by themselves.

use aurochs_api::cause::CauseCode;

use super::extra::Need;
use super::family::Family;
use super::own_ticket;
use super::placement::{self, Wanted};
use super::{Findings, SCHEDULING_RETRY, Volumes};
use crate::controllers::{Context, Error};
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::engine::InstanceState;
use crate::resources::node::READY;
use crate::resources::volume::Robustness;
use crate::resources::volume_attachment::AttacherType;
use crate::resources::{Node, Object, Replica, Volume, condition};
use crate::settings::Name;

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    let context = &volumes.context;
    let nodes = context.store.list::<Node>().await?;
    if note_requests(context, volume, family, &nodes).await? {
        // The next pass, which the change causes, has them.
        return Ok(());
    }
    let leaving = family.staying().find(|replica| replica.spec.eviction_requested && replica.spec.is_placed());
    if let Some(leaving) = family.whole().find(|replica| replica.spec.eviction_requested)
        && family.is_kept_whole(volume)
    {
        findings.needs.push(Need::Replacement { leaving: leaving.name().to_owned() });
    }
    let wanted = match leaving {
        Some(leaving) => can_go_on(volumes, volume, family, leaving, findings).await?,
        None => false,
    };
    own_ticket::settle(context, volume, AttacherType::VolumeEvictionController, wanted).await?;
    Ok(())
}

/// Brings `evictionRequested` of all replicas into line with their nodes and disks. True when something was written.
async fn note_requests(
    context: &Context,
    volume: &Object<Volume>,
    family: &Family,
    nodes: &[Object<Node>],
) -> Result<bool, Error> {
    let mut changed = false;
    for replica in family.staying().filter(|replica| replica.spec.is_placed()) {
        let request = requested(replica, nodes).filter(|request| {
            is_replaced(replica, family, placement::wished(volume))
                || applies(context, *request, replica, family, nodes)
        });
        if request.is_some() == replica.spec.eviction_requested {
            continue;
        }
        let change = |replica: &mut Object<Replica>| replica.spec.eviction_requested = request.is_some();
        let replica = context.store.modify::<Replica>(replica.name(), change).await?;
        tell(context, volume, &replica, request);
        changed = true;
    }
    Ok(changed)
}

/// Who wants a replica away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A person, from the disk or from the node.
    User,
    /// The drain policy, from a node that is being drained.
    Automatic,
}

pub(super) fn requested(replica: &Object<Replica>, nodes: &[Object<Node>]) -> Option<Request> {
    let node = nodes.iter().find(|node| node.name() == replica.spec.node_id)?;
    let mut disks = node.status.disk_status.iter();
    let disk = disks.find(|(_, status)| !status.disk_uuid.is_empty() && status.disk_uuid == replica.spec.disk_id);
    let disk = disk.and_then(|(name, _)| node.spec.disks.get(name));
    if node.spec.eviction_requested || disk.is_some_and(|disk| disk.eviction_requested) {
        return Some(Request::User);
    }
    node.status.auto_evicting.then_some(Request::Automatic)
}

/// It was asked to leave, and the one that takes its place has come: were the request withdrawn now, either of the two
/// could be the one that goes. The request ends with the drain, or with the replica.
fn is_replaced(replica: &Object<Replica>, family: &Family, wished: usize) -> bool {
    let good =
        |one: &&Object<Replica>| one.spec.is_placed() && !one.spec.healthy_at.is_empty() && !one.spec.has_failed();
    replica.spec.eviction_requested && family.staying().filter(good).count() > wished
}

/// A drain that only waits for last replicas moves no others. Which is a last one the drain itself judges by the same
/// facts ([`crate::controllers::drain`]); a wrong "another has the data" here moves nothing, and removes nothing either.
fn applies(
    context: &Context,
    request: Request,
    replica: &Object<Replica>,
    family: &Family,
    nodes: &[Object<Node>],
) -> bool {
    let drained = |name: &str| nodes.iter().any(|node| node.name() == name && node.status.auto_evicting);
    let is_safe = |other: &Object<Replica>| {
        other.name() != replica.name() && is_safe(context, other, family, nodes) && !drained(&other.spec.node_id)
    };
    let only_last = context.settings.text(Name::NodeDrainPolicy) == "block-for-eviction-if-contains-last-replica";
    request == Request::User || !only_last || !family.staying().any(is_safe)
}

/// It has all data, as far as can be told: an engine says so, or it was whole when the volume was detached, and its node
/// answers and has its disk. No data may be removed on this word.
fn is_safe(context: &Context, replica: &Object<Replica>, family: &Family, nodes: &[Object<Node>]) -> bool {
    if family.engine.status.current_state == InstanceState::Running {
        return family.whole().any(|whole| whole.name() == replica.name());
    }
    let was_whole = !replica.spec.healthy_at.is_empty() && !replica.spec.has_failed();
    was_whole && context.instances.answers(&replica.spec.node_id) && has_ready_disk(replica, nodes)
}

fn has_ready_disk(replica: &Object<Replica>, nodes: &[Object<Node>]) -> bool {
    let node = nodes.iter().find(|node| node.name() == replica.spec.node_id);
    let disk = node.and_then(|node| {
        node.status
            .disk_status
            .values()
            .find(|disk| !disk.disk_uuid.is_empty() && disk.disk_uuid == replica.spec.disk_id)
    });
    disk.is_some_and(|disk| condition::is_true(&disk.conditions, READY))
}

fn tell(context: &Context, volume: &Object<Volume>, replica: &Object<Replica>, request: Option<Request>) {
    let (name, node, of) = (replica.name(), &replica.spec.node_id, volume.name());
    let (reason, message) = match request {
        Some(Request::User) => (
            Reason::EvictionUserRequested,
            format!("Replica {name} of {of} is to leave {node}: its disk or node is being emptied."),
        ),
        Some(Request::Automatic) => {
            (Reason::EvictionAutomatic, format!("Replica {name} of {of} is to leave {node}, which is being drained."))
        }
        None => (Reason::EvictionCanceled, format!("Replica {name} of {of} may stay on {node}.")),
    };
    context.events.emit(&ObjectRef::from(replica), reason, EventType::Normal, &message);
}

/// Whether attaching the volume would bring the eviction forward: it must not stay attached for a replica that has
/// nowhere to go.
async fn can_go_on(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    leaving: &Object<Replica>,
    findings: &mut Findings,
) -> Result<bool, Error> {
    if volume.status.robustness == Robustness::Faulted
        || volumes.context.settings.number(Name::ConcurrentReplicaRebuildPerNodeLimit) == 0
    {
        return Ok(false);
    }
    let staying = family.staying().filter(|replica| replica.spec.is_placed() && !replica.spec.has_failed()).count();
    if staying > placement::wished(volume) {
        // The replacement is there: it is being filled, or the one that leaves is on its way.
        return Ok(true);
    }
    let Err(no) = placement::look(volumes, volume, family, &Wanted::Extra).await? else { return Ok(true) };
    // While the volume is attached, the need itself tells.
    if findings.needs.is_empty() {
        let mut cause = *no.cause;
        cause.code = CauseCode::Evicting;
        cause.message =
            format!("Replica {} is to leave its disk, and has nowhere to go. {}", leaving.name(), cause.message);
        tell_stuck(&volumes.context, volume, &cause.message);
        findings.causes.push(cause);
        findings.look_again_in(SCHEDULING_RETRY);
    }
    Ok(false)
}

/// The event, at the moment when a replica that is to leave finds no other place: not while that is told already.
pub(super) fn tell_stuck(context: &Context, volume: &Object<Volume>, message: &str) {
    if volume.status.causes.iter().all(|cause| cause.code != CauseCode::Evicting) {
        context.events.emit(&ObjectRef::from(volume), Reason::EvictionFailed, EventType::Warning, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::node::{DiskSpec, DiskStatus, NodeSpec};
    use crate::resources::replica::ReplicaSpec;

    fn node(name: &str) -> Object<Node> {
        let disks = ["d0", "d1"].map(|disk| (disk.to_owned(), DiskSpec::default())).into();
        let mut node = Object::<Node>::new(name, NodeSpec { disks, ..NodeSpec::default() });
        for disk in ["d0", "d1"] {
            let disk_uuid = format!("{name}-{disk}");
            node.status.disk_status.insert(disk.to_owned(), DiskStatus { disk_uuid, ..DiskStatus::default() });
        }
        node
    }

    fn replica(node: &str, disk: &str) -> Object<Replica> {
        let (node_id, disk_id) = (node.to_owned(), format!("{node}-{disk}"));
        Object::new("r", ReplicaSpec { node_id, disk_id, ..ReplicaSpec::default() })
    }

    #[test]
    fn a_request_lasts_until_the_replaced_one_is_gone() {
        let one = |name: &str, healthy_at: &str| {
            let (node_id, disk_path) = (format!("node-of-{name}"), "/d".to_owned());
            let spec = ReplicaSpec { node_id, disk_path, healthy_at: healthy_at.into(), ..ReplicaSpec::default() };
            Object::<Replica>::new(name, spec)
        };
        let mut leaving = one("a", "2026-01-01T00:00:00Z");
        leaving.spec.eviction_requested = true;
        let (filled, empty) = (one("b", "2026-01-02T00:00:00Z"), one("b", ""));
        let family = |other: &Object<Replica>| Family {
            engine: Object::new("v-e-0", Default::default()),
            replicas: vec![leaving.clone(), other.clone()],
        };
        assert!(is_replaced(&leaving, &family(&filled), 1), "the new one became whole");
        assert!(!is_replaced(&leaving, &family(&empty), 1), "it is being filled");
        assert!(!is_replaced(&leaving, &family(&filled), 2), "no more than wished");
        assert!(!is_replaced(&filled, &family(&filled), 1), "it was not asked to leave");
    }

    /// What another replica of the volume is, beside the one on the node that is drained.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Other {
        Whole,
        None,
        Failed,
        NeverWhole,
        DiskNotReady,
        OnASilentNode,
        OnADrainedNode,
    }

    /// behaviour.md §13, row "block-for-eviction-if-contains-last-replica": last replicas leave, others stay.
    #[tokio::test]
    async fn last_replicas_under_a_drain() {
        use aurochs_api::condition::ConditionStatus;
        const ONLY_LAST: &str = "block-for-eviction-if-contains-last-replica";
        for (policy, request, other, expected) in [
            (ONLY_LAST, Request::Automatic, Other::Whole, false),
            (ONLY_LAST, Request::Automatic, Other::None, true),
            (ONLY_LAST, Request::Automatic, Other::Failed, true),
            (ONLY_LAST, Request::Automatic, Other::NeverWhole, true),
            (ONLY_LAST, Request::Automatic, Other::DiskNotReady, true),
            (ONLY_LAST, Request::Automatic, Other::OnASilentNode, true),
            (ONLY_LAST, Request::Automatic, Other::OnADrainedNode, true),
            (ONLY_LAST, Request::User, Other::Whole, true),
            ("block-for-eviction", Request::Automatic, Other::Whole, true),
            ("block-for-eviction", Request::Automatic, Other::None, true),
        ] {
            let (context, _directory) = crate::controllers::bench::context(&["a", "b"]).await;
            context.settings.set(Name::NodeDrainPolicy.word(), policy);
            context.instances.replace("a", "1", 7, Vec::new());
            if other != Other::OnASilentNode {
                context.instances.replace("b", "1", 7, Vec::new());
            }
            let mut nodes = [node("a"), node("b")];
            nodes[0].status.auto_evicting = true;
            nodes[1].status.auto_evicting = other == Other::OnADrainedNode;
            let ready = if other == Other::DiskNotReady { ConditionStatus::False } else { ConditionStatus::True };
            let disk = nodes[1].status.disk_status.get_mut("d0").unwrap();
            condition::set(&mut disk.conditions, READY, ready, "", "");
            let leaving = replica("a", "d0");
            let mut second = Object::<Replica>::new("s", replica("b", "d0").spec);
            let time = |told: bool| if told { "2026-11-01T00:00:00Z".to_owned() } else { String::new() };
            second.spec.healthy_at = time(other != Other::NeverWhole);
            second.spec.failed_at = time(other == Other::Failed);
            let mut replicas = vec![leaving.clone()];
            replicas.extend((other != Other::None).then_some(second));
            let engine = Object::<crate::resources::Engine>::new("v-e-0", Default::default());
            let family = Family { engine, replicas };
            assert_eq!(
                applies(&context, request, &leaving, &family, &nodes),
                expected,
                "{policy} {request:?} {other:?}"
            );
        }
    }

    /// behaviour.md §3, row "eviction".
    #[test]
    fn a_disk_or_a_node_or_a_drain_asks_for_it() {
        let nodes = |change: fn(&mut Object<Node>)| {
            let mut nodes = [node("a"), node("b")];
            change(&mut nodes[0]);
            nodes
        };
        let disk = nodes(|node| node.spec.disks.get_mut("d1").unwrap().eviction_requested = true);
        let whole = nodes(|node| node.spec.eviction_requested = true);
        let drained = nodes(|node| node.status.auto_evicting = true);
        assert_eq!(requested(&replica("a", "d1"), &disk), Some(Request::User));
        assert_eq!(requested(&replica("a", "d0"), &disk), None);
        assert_eq!(requested(&replica("a", "d0"), &whole), Some(Request::User));
        assert_eq!(requested(&replica("a", "d0"), &drained), Some(Request::Automatic));
        for nodes in [disk, whole, drained] {
            assert_eq!(requested(&replica("b", "d1"), &nodes), None);
        }
        assert_eq!(requested(&replica("gone", "d1"), &[]), None);
    }
}
