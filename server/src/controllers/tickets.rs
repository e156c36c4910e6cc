//! Tickets of controllers: a volume is wanted on a node for as long as a controller works on it, and let go afterwards.
//!
//! Nothing is remembered. In each pass a controller looks whether it still has work on the volume and says [`want`] or
//! [`release`], so that a ticket whose owner was restarted goes as soon as its work is done. Both write only when the
//! ticket is not yet as it should be, and both leave other tickets alone.

use std::collections::BTreeMap;

use super::volume::locality;
use super::{Context, Error};
use crate::resources::volume::{DataLocality, VolumeState};
use crate::resources::volume_attachment::{
    AttacherType, AttachmentTicket, FrontendWish, PARAMETER_DISABLE_FRONTEND, PARAMETER_LAST_ATTACHED_BY,
    VolumeAttachmentSpec,
};
use crate::resources::{LABEL_VOLUME, Object, Replica, Volume, VolumeAttachment};
use crate::store::Store;

/// Whose ticket it is. Several of one kind differ in what they are for: a snapshot's name, for example, or the volume's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose<'a> {
    pub kind: AttacherType,
    pub of: &'a str,
}

impl Purpose<'_> {
    /// `<kind>-<of>`, as Longhorn names them.
    #[must_use]
    pub fn ticket_id(&self) -> String {
        format!("{}-{}", self.kind.word(), self.of)
    }
}

/// How far a wish is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The volume is attached where it was asked for: the engine can be spoken to.
    Served,
    Waiting,
}

/// Asks for the volume on this node.
pub async fn want(
    store: &Store,
    volume: &str,
    purpose: &Purpose<'_>,
    node: &str,
    frontend: FrontendWish,
) -> Result<Standing, Error> {
    let id = purpose.ticket_id();
    let ticket = AttachmentTicket {
        id: id.clone(),
        kind: purpose.kind.clone(),
        node_id: node.to_owned(),
        parameters: BTreeMap::from([
            (PARAMETER_DISABLE_FRONTEND.to_owned(), frontend.word().to_owned()),
            (PARAMETER_LAST_ATTACHED_BY.to_owned(), purpose.kind.word().to_owned()),
        ]),
        generation: 0,
    };
    let change = |tickets: &mut Object<VolumeAttachment>| put(&mut tickets.spec, &ticket);
    let tickets = store.modify::<VolumeAttachment>(volume, change).await?;
    let generation = tickets.spec.attachment_tickets.get(&id).map(|ticket| ticket.generation);
    let served = tickets
        .status
        .attachment_ticket_statuses
        .get(&id)
        .is_some_and(|told| told.satisfied && Some(told.generation) == generation);
    Ok(if served { Standing::Served } else { Standing::Waiting })
}

/// A ticket that moves gets a new generation: what its status said of the old wish no longer holds.
fn put(spec: &mut VolumeAttachmentSpec, ticket: &AttachmentTicket) {
    let generation = match spec.attachment_tickets.get(&ticket.id) {
        None => 0,
        Some(before) if AttachmentTicket { generation: 0, ..before.clone() } == *ticket => return,
        Some(before) => before.generation + 1,
    };
    spec.attachment_tickets.insert(ticket.id.clone(), AttachmentTicket { generation, ..ticket.clone() });
}

/// Takes the ticket back. It is fine when there is none, or no volume any more. Somebody else's ticket of the same name
/// stays: its owner still wants the volume.
pub async fn release(store: &Store, volume: &str, purpose: &Purpose<'_>) -> Result<(), Error> {
    let id = purpose.ticket_id();
    let remove = |tickets: &mut Object<VolumeAttachment>| {
        tickets.spec.attachment_tickets.retain(|of, ticket| *of != id || ticket.kind != purpose.kind);
    };
    match store.modify::<VolumeAttachment>(volume, remove).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Takes back every ticket of this kind that is for nothing in `needed`: what a controller left behind for an object
/// that went away while it did not look.
pub async fn release_all_but(store: &Store, volume: &str, kind: &AttacherType, needed: &[&str]) -> Result<(), Error> {
    let ids: Vec<String> = needed.iter().map(|of| Purpose { kind: kind.clone(), of }.ticket_id()).collect();
    let retain = |tickets: &mut Object<VolumeAttachment>| {
        tickets.spec.attachment_tickets.retain(|id, ticket| ticket.kind != *kind || ids.contains(id));
    };
    match store.modify::<VolumeAttachment>(volume, retain).await {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether a workload asks for the volume: then its attachment serves a controller's purpose, too.
///
/// Invariant: a controller steps aside for workloads and for nobody else. Two that step aside for each other would give
/// their tickets back in turns, and neither would ever get to its work.
#[must_use]
pub fn is_in_use(tickets: &VolumeAttachmentSpec) -> bool {
    tickets.attachment_tickets.values().any(|ticket| ticket.kind.is_workload())
}

/// The node on which a controller should ask for the volume: where it is or goes anyway, else one that answers, with a
/// replica if possible. None while no node answers on which it may be.
pub async fn node_for(context: &Context, volume: &Object<Volume>) -> Result<Option<String>, Error> {
    if volume.status.state != VolumeState::Detached || !volume.spec.node_id.is_empty() {
        let present = [&volume.spec.node_id, &volume.status.current_node_id].into_iter().find(|node| !node.is_empty());
        if let Some(node) = present {
            return Ok(Some(node.clone()));
        }
    }
    let replicas = context.store.list_labelled::<Replica>(LABEL_VOLUME, volume.name()).await?;
    let nodes = context.clients.nodes();
    let all = nodes.iter().map(String::as_str);
    let found = choose(volume, &replicas, all, |node| context.instances.answers(node));
    Ok(found.map(str::to_owned))
}

/// Invariant: what is chosen is no node that a strictly local volume is refused on; a ticket there would never be served.
/// Its data is where its replica is, be that one thought failed.
fn choose<'a>(
    volume: &Object<Volume>,
    replicas: &'a [Object<Replica>],
    nodes: impl Iterator<Item = &'a str>,
    answers: impl Fn(&str) -> bool,
) -> Option<&'a str> {
    let placed = || replicas.iter().filter(|replica| replica.spec.is_placed());
    let of = |failed: bool| placed().filter(move |replica| replica.spec.has_failed() == failed);
    let beside = of(false).chain(of(true).filter(|_| volume.spec.data_locality == DataLocality::StrictLocal));
    let mut candidates = beside.map(|replica| replica.spec.node_id.as_str()).chain(nodes);
    candidates.find(|node| answers(node) && locality::refusal(volume, replicas, node).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROW: Purpose<'_> = Purpose { kind: AttacherType::VolumeExpansionController, of: "v" };

    fn ticket(node: &str) -> AttachmentTicket {
        AttachmentTicket {
            id: GROW.ticket_id(),
            kind: GROW.kind,
            node_id: node.to_owned(),
            ..AttachmentTicket::default()
        }
    }

    #[test]
    fn asking_again_changes_nothing_and_moving_is_a_new_generation() {
        let mut spec = VolumeAttachmentSpec::default();
        put(&mut spec, &ticket("node-1"));
        let once = spec.clone();
        put(&mut spec, &ticket("node-1"));
        assert_eq!(spec, once);
        put(&mut spec, &ticket("node-2"));
        put(&mut spec, &ticket("node-2"));
        assert_eq!(spec.attachment_tickets["volume-expansion-controller-v"].generation, 1);
    }

    #[test]
    fn only_a_workload_takes_the_place_of_a_controllers_ticket() {
        use AttacherType::{CsiAttacher, LonghornApi, SnapshotController, VolumeCloneController};
        for (others, expected) in [
            (vec![], false),
            (vec![SnapshotController], false),
            (vec![VolumeCloneController, SnapshotController], false),
            (vec![LonghornApi], true),
            (vec![SnapshotController, CsiAttacher], true),
        ] {
            let mut spec = VolumeAttachmentSpec::default();
            put(&mut spec, &ticket("node-1"));
            for kind in others {
                put(&mut spec, &AttachmentTicket { id: kind.word().to_owned(), kind, ..AttachmentTicket::default() });
            }
            assert_eq!(is_in_use(&spec), expected, "{:?}", spec.attachment_tickets.keys());
        }
    }

    /// behaviour.md §3, row "strict-local": attached beside its data, and nowhere else.
    #[test]
    fn a_strictly_local_volume_is_asked_for_where_its_data_is() {
        use crate::resources::replica::ReplicaSpec;
        use crate::resources::volume::VolumeSpec;
        use DataLocality::{Disabled, StrictLocal};

        let on = |node: &str, failed: bool| {
            let (node_id, disk_path) = (node.to_owned(), if node.is_empty() { String::new() } else { "/d".to_owned() });
            let failed_at = if failed { "2026-11-01T00:00:00Z".to_owned() } else { String::new() };
            Object::<Replica>::new("r", ReplicaSpec { node_id, disk_path, failed_at, ..ReplicaSpec::default() })
        };
        for (locality, replicas, silent, expected) in [
            (StrictLocal, vec![on("n2", false)], "", Some("n2")),
            (StrictLocal, vec![on("n2", true)], "", Some("n2")),
            (StrictLocal, vec![on("n2", true)], "n2", None),
            (StrictLocal, vec![on("", false)], "", Some("n1")),
            (Disabled, vec![on("n2", true)], "", Some("n1")),
            (Disabled, vec![on("n3", true), on("n2", false)], "", Some("n2")),
            (Disabled, vec![on("n2", false)], "n2", Some("n1")),
        ] {
            let spec = VolumeSpec { data_locality: locality, ..VolumeSpec::default() };
            let volume = Object::<Volume>::new("v", spec);
            let chosen = choose(&volume, &replicas, ["n1", "n2", "n3"].into_iter(), |node| node != silent);
            assert_eq!(chosen, expected, "{locality:?} {replicas:?} {silent:?}");
        }
    }
}
