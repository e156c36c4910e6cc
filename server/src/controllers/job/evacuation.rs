//! Replicas that leave a disk or a node.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;

use super::cancel::Way;
use super::keys;
use super::teller::Teller;
use super::touched::{Touched, touched};
use super::work::{Chance, Course, Work};
use crate::controllers::Context;
use crate::jobs::{JobKind, Level, Outcome, StartedBy};
use crate::resources::{Node, Object, Replica, Volume};
use crate::store::{Store, WatchEvent};

const NO_CANCEL_OF_DRAINS: &str = "The node is being drained: uncordon it, and what is left may stay.";
const GONE: &str = "The node was removed.";

/// Until the store ends.
pub(super) async fn follow(context: Context) {
    let store = context.store.clone();
    let mut touched = std::pin::pin!(touched::<Node, Replica>(&store, |replica| &replica.spec.node_id));
    let mut teller = Teller::new(&context);
    // Nodes that something has to leave, or of which a job says so: only of those replicas matter.
    let mut emptied: BTreeMap<String, Object<Node>> = BTreeMap::new();
    while let Some(touched) = touched.next().await {
        let node = match touched {
            Touched::Thing(WatchEvent::Deleted(node)) => {
                emptied.remove(node.name());
                teller.forget(&prefix(node.name()), GONE);
                continue;
            }
            Touched::Thing(WatchEvent::Applied(node)) => node,
            // One that is gone after a gap names no node: any may be meant.
            Touched::PartOf(name) if name.is_empty() => match emptied.values().next() {
                Some(node) => node.clone(),
                None => continue,
            },
            Touched::PartOf(name) => match emptied.get(&name) {
                Some(node) => node.clone(),
                None => continue,
            },
        };
        let (name, prefix) = (node.name().to_owned(), prefix(node.name()));
        let (requests, open) = (requests(&node), teller.open(&prefix));
        if requests.is_empty() && open.is_empty() {
            emptied.remove(&name);
            teller.tell(&prefix, Vec::new(), GONE);
            continue;
        }
        let now = look(&context, &node, &requests, &open).await;
        emptied.insert(name, node);
        teller.tell(&prefix, now, GONE);
    }
}

fn prefix(node: &str) -> String {
    format!("node/{node}/evacuation")
}

/// What has to be empty, and why.
#[derive(Clone, Debug, PartialEq)]
struct Request {
    disk: Option<String>,
    why: String,
    chance: Chance,
}

fn requests(node: &Object<Node>) -> Vec<Request> {
    let name = node.name().to_owned();
    let request = |disk: Option<String>, why: String| {
        let way = Way::Evacuation { node: name.clone(), disk: disk.clone() };
        Request { disk, why, chance: Chance::Possible(way) }
    };
    if node.spec.eviction_requested {
        return vec![request(None, format!("Node {name} is to be emptied (evictionRequested)."))];
    }
    if node.status.auto_evicting {
        let chance = Chance::Impossible(NO_CANCEL_OF_DRAINS);
        return vec![Request { disk: None, why: format!("Node {name} is being drained."), chance }];
    }
    let disks = node.spec.disks.iter().filter(|(_, disk)| disk.eviction_requested);
    disks
        .map(|(disk, _)| {
            request(Some(disk.clone()), format!("Disk {disk} of {name} is to be emptied (evictionRequested)."))
        })
        .collect()
}

/// A replica that is to leave, and the bytes that its volume has on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaving {
    replica: String,
    disk_uuid: String,
    bytes: u64,
}

async fn look(context: &Context, node: &Object<Node>, requests: &[Request], open: &BTreeSet<String>) -> Vec<Work> {
    let leaving = leaving(&context.store, node.name()).await;
    let planned = |key: &str| context.jobs.seen(key).and_then(|seen| seen.record.planned_bytes).unwrap_or_default();
    works(node, requests, &leaving, open, planned)
}

async fn leaving(store: &Store, node: &str) -> Vec<Leaving> {
    let replicas = store.list::<Replica>().await.unwrap_or_default();
    let mut leaving = Vec::new();
    for replica in replicas.iter().filter(|replica| replica.spec.node_id == node && replica.spec.eviction_requested) {
        let volume = store.find::<Volume>(&replica.spec.volume_name).await.ok().flatten();
        let bytes = volume.map_or(0, |volume| volume.status.actual_size.bytes());
        let (replica, disk_uuid) = (replica.name().to_owned(), replica.spec.disk_id.clone());
        leaving.push(Leaving { replica, disk_uuid, bytes });
    }
    leaving
}

/// `planned`: what a job that runs has planned until now.
fn works(
    node: &Object<Node>,
    requests: &[Request],
    leaving: &[Leaving],
    open: &BTreeSet<String>,
    planned: impl Fn(&str) -> u64,
) -> Vec<Work> {
    let mut works = Vec::new();
    for request in requests {
        let key = keys::evacuation(node.name(), request.disk.as_deref());
        let left: Vec<&Leaving> = leaving.iter().filter(|one| is_on(node, one, request.disk.as_deref())).collect();
        if left.is_empty() && !open.contains(&key) {
            continue;
        }
        let course = match left.is_empty() {
            true => Course::succeeded(),
            false => Course::Runs("replicas leave"),
        };
        let bytes = left.iter().map(|one| one.bytes).fold(0, u64::saturating_add);
        let planned = planned(&key).max(bytes);
        let notes = left.iter().map(|one| (Level::Info, format!("Replica {} is to leave.", one.replica))).collect();
        works.push(Work {
            planned_bytes: Some(planned),
            done_bytes: planned - bytes,
            notes,
            ..work(node, key, request.disk.as_deref(), request.why.clone(), request.chance.clone(), course)
        });
    }
    let withdrawn = open.iter().filter(|key| works.iter().all(|work| work.key != **key)).cloned().collect::<Vec<_>>();
    works.extend(withdrawn.into_iter().map(|key| taken_back(node, key)));
    works
}

fn is_on(node: &Object<Node>, one: &Leaving, disk: Option<&str>) -> bool {
    let Some(disk) = disk else { return true };
    node.status.disk_status.get(disk).is_some_and(|disk| disk.disk_uuid == one.disk_uuid)
}

fn work(node: &Object<Node>, key: String, disk: Option<&str>, why: String, cancel: Chance, course: Course) -> Work {
    Work {
        key,
        kind: JobKind::Evacuation,
        object: disk.map_or_else(|| node.name().to_owned(), |disk| format!("{}/{disk}", node.name())),
        volume: None,
        node: Some(node.name().to_owned()),
        started_by: StartedBy::System(why),
        cancel,
        course,
        planned_bytes: None,
        done_bytes: 0,
        notes: Vec::new(),
    }
}

fn taken_back(node: &Object<Node>, key: String) -> Work {
    let course = Course::Ended { outcome: Outcome::Interrupted, marks: BTreeSet::new() };
    let chance = Chance::Impossible(NO_CANCEL_OF_DRAINS);
    let notes = vec![(Level::Warning, "The request was taken back; what is left stays.".to_owned())];
    Work { notes, ..work(node, key, None, String::new(), chance, course) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::node::{DiskSpec, DiskStatus, NodeSpec};

    fn node(change: impl FnOnce(&mut Object<Node>)) -> Object<Node> {
        let mut node = Object::<Node>::new("n", NodeSpec::default());
        for disk in ["d0", "d1"] {
            node.spec.disks.insert(disk.into(), DiskSpec::default());
            let status = DiskStatus { disk_uuid: format!("{disk}-uuid"), ..DiskStatus::default() };
            node.status.disk_status.insert(disk.into(), status);
        }
        change(&mut node);
        node
    }

    fn leaves(replica: &str, disk: &str, bytes: u64) -> Leaving {
        Leaving { replica: replica.into(), disk_uuid: format!("{disk}-uuid"), bytes }
    }

    #[test]
    fn a_node_a_drain_or_a_disk_is_emptied() {
        assert_eq!(requests(&node(|_| {})), []);
        let whole = requests(&node(|node| node.spec.eviction_requested = true));
        assert_eq!(whole[0].chance, Chance::Possible(Way::Evacuation { node: "n".into(), disk: None }));
        let drained = requests(&node(|node| node.status.auto_evicting = true));
        assert_eq!((&drained[0].disk, &drained[0].chance), (&None, &Chance::Impossible(NO_CANCEL_OF_DRAINS)));
        let disk = requests(&node(|node| node.spec.disks.get_mut("d1").unwrap().eviction_requested = true));
        assert_eq!(disk.iter().map(|one| one.disk.as_deref()).collect::<Vec<_>>(), [Some("d1")]);
    }

    #[test]
    fn bytes_are_those_of_the_volumes_whose_replicas_left() {
        let node = node(|node| node.spec.disks.get_mut("d1").unwrap().eviction_requested = true);
        let key = keys::evacuation("n", Some("d1"));
        let open = BTreeSet::from([key]);
        let see = |leaving: &[Leaving], open: &BTreeSet<String>, planned: u64| {
            works(&node, &requests(&node), leaving, open, |_| planned).pop()
        };
        let (a, b, elsewhere) = (leaves("a", "d1", 10), leaves("b", "d1", 30), leaves("c", "d0", 99));
        let first = see(&[a.clone(), b, elsewhere.clone()], &BTreeSet::new(), 0).unwrap();
        assert_eq!((first.planned_bytes, first.done_bytes), (Some(40), 0));
        let later = see(&[a, elsewhere.clone()], &open, 40).unwrap();
        assert_eq!((later.planned_bytes, later.done_bytes), (Some(40), 30));
        let end = see(std::slice::from_ref(&elsewhere), &open, 40).unwrap();
        assert!(matches!(end.course, Course::Ended { outcome: Outcome::Succeeded, .. }) && end.done_bytes == 40);
        assert_eq!(see(&[elsewhere], &BTreeSet::new(), 0), None, "nothing is there that has to leave");
    }

    #[test]
    fn a_request_that_is_taken_back_ends_the_job() {
        let open = BTreeSet::from([keys::evacuation("n", None)]);
        let works = works(&node(|_| {}), &[], &[leaves("a", "d0", 1)], &open, |_| 1);
        assert!(matches!(works[0].course, Course::Ended { outcome: Outcome::Interrupted, .. }));
    }
}
