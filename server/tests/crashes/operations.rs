//! What people and scripts ask of the manager, chosen at random among what makes sense, and what it makes of the model.

use std::collections::BTreeMap;

use aurochs_engine::grpc::instance_v1::InstanceKind;
use aurochs_server::resources::Engine;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use reqwest::Method;
use serde_json::{Value, json};

use crate::model::{BLOCKS, Content, Model, Outcome, Place, Possible, SnapshotModel, VolumeModel, either, empty};
use crate::nbd::Nbd;
use crate::process::{Manager, NODES};
use crate::world;

pub(crate) const JOB: &str = "nightly";
pub(crate) const TAGGED_NODE: &str = "node-1";
pub(crate) const EVICTED_NODE: &str = "node-4";
/// Its disks are emptied.
pub(crate) const EVICTED_DISK_NODE: &str = "node-3";
const MIB: u64 = 1 << 20;
const FIRST_MEBIBYTES: u64 = 16;
const MOST_MEBIBYTES: u64 = 32;
const SNAPSHOTS_MAXIMUM: usize = 6;
/// Settings that are switched while everything runs, and their values; the first is the default.
pub(crate) const SETTINGS: [(&str, [&str; 2]); 4] = [
    ("auto-salvage", ["true", "false"]),
    ("replica-auto-balance", ["disabled", "least-effort"]),
    ("offline-replica-rebuilding", ["false", "true"]),
    ("auto-cleanup-snapshot-after-on-demand-backup-completed", ["false", "true"]),
];

/// One operation; the weights make the common ones common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Create,
    Clone,
    Attach,
    AttachForMaintenance,
    Detach,
    Write,
    Snapshot,
    SnapshotResource,
    DeleteSnapshot,
    DeleteSnapshotResource,
    Purge,
    Revert,
    Expand,
    ReplicaCount,
    RemoveReplica,
    KillReplica,
    KillAllReplicas,
    KillEngine,
    Salvage,
    JoinJob,
    LeaveJob,
    Delete,
    CreateJob,
    DeleteJob,
    ChangeSetting,
    TagNode,
    EvictNode,
    EvictDisk,
    EndEviction,
}

use Operation as Op;

/// Whether an operation makes sense for a volume.
type MakesSense = fn(&VolumeModel) -> bool;

/// All of a volume's, with their weights.
const OF_VOLUMES: [(Operation, u32, MakesSense); 22] = [
    (Op::Create, 6, |volume| volume.exists.certain() == Some(&false)),
    (Op::Clone, 3, |volume| volume.exists.certain() == Some(&false)),
    (Op::Attach, 8, |volume| volume.surely_exists() && volume.place.admits(&None)),
    (Op::AttachForMaintenance, 3, |volume| volume.surely_exists() && volume.place.admits(&None)),
    (Op::Detach, 3, |volume| volume.surely_exists() && volume.place.certain() != Some(&None)),
    (Op::Write, 8, |volume| volume.surely_attached().is_some_and(|place| !place.maintenance)),
    (Op::Snapshot, 4, |volume| is_used(volume) && volume.snapshots.len() < SNAPSHOTS_MAXIMUM),
    (Op::SnapshotResource, 3, |volume| volume.surely_exists() && volume.snapshots.len() < SNAPSHOTS_MAXIMUM),
    (Op::DeleteSnapshot, 2, |volume| is_used(volume) && !volume.snapshots.is_empty()),
    (Op::DeleteSnapshotResource, 2, |volume| volume.surely_exists() && !volume.snapshots.is_empty()),
    (Op::Purge, 2, is_used),
    (Op::Revert, 6, |volume| {
        volume.surely_attached().is_some_and(|place| place.maintenance) && !volume.snapshots.is_empty()
    }),
    (Op::Expand, 2, |volume| volume.surely_exists() && !volume.mebibytes.admits(&MOST_MEBIBYTES)),
    (Op::ReplicaCount, 3, VolumeModel::surely_exists),
    (Op::RemoveReplica, 2, VolumeModel::surely_exists),
    (Op::KillReplica, 2, is_used),
    (Op::KillAllReplicas, 1, is_used),
    (Op::KillEngine, 1, is_used),
    (Op::Salvage, 2, is_used),
    (Op::JoinJob, 1, VolumeModel::surely_exists),
    (Op::LeaveJob, 1, VolumeModel::surely_exists),
    (Op::Delete, 2, |volume| volume.surely_exists() && volume.place.certain() == Some(&None)),
];

const OF_THE_REST: [Operation; 8] = [
    Op::CreateJob,
    Op::DeleteJob,
    Op::ChangeSetting,
    Op::TagNode,
    Op::EvictNode,
    Op::EvictDisk,
    Op::EndEviction,
    Op::EndEviction,
];
/// One in this many is none of a volume's.
const REST_EVERY: u32 = 10;

fn is_used(volume: &VolumeModel) -> bool {
    volume.surely_exists() && volume.surely_attached().is_some()
}

/// Asks for things, and keeps the model.
pub(crate) struct User<'a> {
    pub(crate) manager: &'a Manager,
    pub(crate) model: &'a mut Model,
    pub(crate) random: &'a mut StdRng,
    /// Counts up, for marks of blocks and names of snapshots.
    pub(crate) number: &'a mut u16,
}

impl User<'_> {
    /// One operation, of which it tells what and how it went.
    pub(crate) async fn act(&mut self) -> (Operation, String, Outcome) {
        let at = self.random.random_range(0..self.model.volumes.len());
        let volume = &self.model.volumes[at];
        let sensible: Vec<_> = OF_VOLUMES.iter().filter(|(_, _, makes_sense)| makes_sense(volume)).collect();
        // Nothing is asked of a volume that may be there or not.
        if sensible.is_empty() || self.random.random_ratio(1, REST_EVERY) {
            let operation = *OF_THE_REST.choose(self.random).unwrap();
            let outcome = self.act_elsewhere(operation).await;
            return (operation, String::new(), outcome);
        }
        let operation = sensible.choose_weighted(self.random, |(_, weight, _)| *weight).unwrap().0;
        let name = volume.name.clone();
        (operation, name, self.act_on(operation, at).await)
    }

    async fn act_on(&mut self, operation: Operation, at: usize) -> Outcome {
        match operation {
            Op::Create => self.create(at).await,
            Op::Clone => self.clone_into(at).await,
            Op::Attach => self.attach(at, false).await,
            Op::AttachForMaintenance => self.attach(at, true).await,
            Op::Detach => self.detach(at).await,
            Op::Write => self.write(at).await,
            Op::Snapshot => self.snapshot(at, false).await,
            Op::SnapshotResource => self.snapshot(at, true).await,
            Op::DeleteSnapshot => self.delete_snapshot(at, "snapshotDelete").await,
            Op::DeleteSnapshotResource => self.delete_snapshot(at, "snapshotCRDelete").await,
            Op::Purge => self.action(at, "snapshotPurge", json!({})).await,
            Op::Revert => self.revert(at).await,
            Op::Expand => self.expand(at).await,
            Op::ReplicaCount => self.replica_count(at).await,
            Op::RemoveReplica => self.remove_replica(at).await,
            Op::KillReplica | Op::KillAllReplicas | Op::KillEngine => self.kill(at, operation).await,
            Op::Salvage => self.salvage(at).await,
            Op::JoinJob | Op::LeaveJob => self.job_of(at, operation == Op::JoinJob).await,
            Op::Delete => self.delete(at).await,
            _ => self.act_elsewhere(operation).await,
        }
    }

    pub(crate) async fn action(&self, at: usize, action: &str, body: Value) -> Outcome {
        let path = format!("v1/volumes/{}?action={action}", self.model.volumes[at].name);
        self.manager.ask(Method::POST, &path, Some(body)).await.outcome
    }

    fn next_number(&mut self) -> u16 {
        *self.number += 1;
        *self.number
    }

    fn node(&mut self) -> String {
        format!("node-{}", self.random.random_range(1..=NODES))
    }

    // === volumes ===

    async fn create(&mut self, at: usize) -> Outcome {
        let replicas = self.random.random_range(1..=3);
        self.make(at, FIRST_MEBIBYTES, replicas, "", empty()).await
    }

    /// From any other volume that may be there; larger than any of them.
    async fn clone_into(&mut self, at: usize) -> Outcome {
        let sources: Vec<&VolumeModel> = self.model.volumes.iter().filter(|volume| volume.surely_exists()).collect();
        let Some(source) = sources.choose(self.random) else { return Outcome::Refused };
        let (content, name) = (source.content.clone(), source.name.clone());
        self.make(at, MOST_MEBIBYTES, 2, &name, content).await
    }

    async fn make(&mut self, at: usize, mebibytes: u64, replicas: u32, source: &str, content: Content) -> Outcome {
        let name = self.model.volumes[at].name.clone();
        let mut body = json!({
            "name": name,
            "size": (mebibytes * MIB).to_string(),
            "numberOfReplicas": replicas,
            "frontend": "nbd",
        });
        if !source.is_empty() {
            body["dataSource"] = json!(format!("vol://{source}"));
        }
        let outcome = self.manager.ask(Method::POST, "v1/volumes", Some(body)).await.outcome;
        if outcome != Outcome::Refused {
            let before = self.model.volumes[at].exists.clone();
            let volume = VolumeModel {
                exists: before,
                mebibytes: Possible::is(mebibytes),
                replicas: Possible::is(replicas),
                content,
                filled_from: (!source.is_empty()).then(|| source.to_owned()),
                ..VolumeModel::absent(&name)
            };
            self.model.volumes[at] = volume;
            self.model.volumes[at].exists.after(outcome, true);
        }
        outcome
    }

    async fn delete(&mut self, at: usize) -> Outcome {
        let path = format!("v1/volumes/{}", self.model.volumes[at].name);
        let outcome = self.manager.ask(Method::DELETE, &path, None).await.outcome;
        self.model.volumes[at].exists.after(outcome, false);
        outcome
    }

    async fn attach(&mut self, at: usize, maintenance: bool) -> Outcome {
        let place = Place { node: self.node(), maintenance };
        let body = json!({"hostId": place.node, "disableFrontend": maintenance});
        let outcome = self.action(at, "attach", body).await;
        self.model.volumes[at].place.after(outcome, Some(place));
        outcome
    }

    async fn detach(&mut self, at: usize) -> Outcome {
        let outcome = self.action(at, "detach", json!({})).await;
        self.model.volumes[at].place.after(outcome, None);
        outcome
    }

    /// Beside the manager, dead or alive.
    async fn write(&mut self, at: usize) -> Outcome {
        let (block, mark) = (self.random.random_range(0..BLOCKS), self.next_number());
        let store = self.manager.store().await;
        let name = &self.model.volumes[at].name;
        let engines = world::list::<Engine>(&store).await;
        let engine = engines.into_iter().find(|engine| &engine.spec.volume_name == name);
        let uri = engine.map(|engine| engine.status.nbd_uri).unwrap_or_default();
        let written = tokio::task::spawn_blocking(move || {
            let Ok(mut nbd) = Nbd::connect(&uri) else { return Outcome::Refused };
            let done = nbd.write(block as u64 * MIB, &world::block_of(mark));
            if done.is_ok() { Outcome::Done } else { Outcome::Lost }
        });
        let outcome = written.await.unwrap();
        if outcome != Outcome::Refused {
            self.model.wrote(at, block, mark, outcome == Outcome::Done);
        }
        outcome
    }

    async fn expand(&mut self, at: usize) -> Outcome {
        let now = self.model.volumes[at].mebibytes.certain().copied().unwrap_or(MOST_MEBIBYTES - 4);
        let wished = now + 4;
        let outcome = self.action(at, "expand", json!({"size": (wished * MIB).to_string()})).await;
        self.model.volumes[at].mebibytes.after(outcome, wished);
        outcome
    }

    // === snapshots ===

    async fn snapshot(&mut self, at: usize, as_resource: bool) -> Outcome {
        let name = format!("s{}", self.next_number());
        let action = if as_resource { "snapshotCRCreate" } else { "snapshotCreate" };
        let outcome = self.action(at, action, json!({"name": name})).await;
        if outcome != Outcome::Refused {
            let volume = &mut self.model.volumes[at];
            let mut exists = Possible::is(false);
            exists.after(outcome, true);
            let outstanding = as_resource || outcome == Outcome::Lost;
            let (content, has_resource) = (volume.content.clone(), as_resource && outcome == Outcome::Done);
            volume.snapshots.insert(name, SnapshotModel { exists, content, outstanding, has_resource });
        }
        outcome
    }

    fn some_snapshot(&mut self, at: usize) -> String {
        let names: Vec<&String> = self.model.volumes[at].snapshots.keys().collect();
        (*names.choose(self.random).unwrap()).clone()
    }

    async fn delete_snapshot(&mut self, at: usize, action: &str) -> Outcome {
        let name = self.some_snapshot(at);
        let outcome = self.action(at, action, json!({"name": name})).await;
        let snapshot = self.model.volumes[at].snapshots.get_mut(&name).unwrap();
        // What has no resource yet is no less there when the deletion of its resource was answered.
        let is_sure = action == "snapshotDelete" || snapshot.has_resource || outcome == Outcome::Refused;
        snapshot.exists.after(if is_sure { outcome } else { Outcome::Lost }, false);
        outcome
    }

    async fn revert(&mut self, at: usize) -> Outcome {
        let name = self.some_snapshot(at);
        let outcome = self.action(at, "snapshotRevert", json!({"name": name})).await;
        let volume = &mut self.model.volumes[at];
        let (volume_name, reverted) = (volume.name.clone(), volume.snapshots[&name].content.clone());
        match outcome {
            Outcome::Done => volume.content.clone_from(&reverted),
            Outcome::Lost => either(&mut volume.content, &reverted),
            Outcome::Refused => return outcome,
        }
        for snapshot in volume.snapshots.values_mut().filter(|snapshot| snapshot.outstanding) {
            either(&mut snapshot.content, &reverted);
        }
        for copy in self.model.volumes.iter_mut().filter(|copy| copy.filled_from.as_ref() == Some(&volume_name)) {
            either(&mut copy.content, &reverted);
        }
        outcome
    }

    // === replicas ===

    async fn replica_count(&mut self, at: usize) -> Outcome {
        let count = self.random.random_range(1..=3_u32);
        let outcome = self.action(at, "updateReplicaCount", json!({"replicaCount": count})).await;
        self.model.volumes[at].replicas.after(outcome, count);
        outcome
    }

    async fn replicas(&self, at: usize) -> Vec<String> {
        let path = format!("v1/volumes/{}", self.model.volumes[at].name);
        let answer = self.manager.ask(Method::GET, &path, None).await;
        let replicas = answer.body["replicas"].as_array().into_iter().flatten();
        replicas.filter_map(|one| one["name"].as_str()).map(str::to_owned).collect()
    }

    async fn remove_replica(&mut self, at: usize) -> Outcome {
        let replicas = self.replicas(at).await;
        let Some(name) = replicas.choose(self.random) else { return Outcome::Refused };
        self.action(at, "replicaRemove", json!({"name": name})).await
    }

    /// What a person does whose volume is faulted: go on with what there is.
    pub(crate) async fn salvage(&mut self, at: usize) -> Outcome {
        let names = self.replicas(at).await;
        self.action(at, "salvage", json!({"names": names})).await
    }

    /// Processes end by themselves, too.
    async fn kill(&mut self, at: usize, operation: Operation) -> Outcome {
        let kind = if operation == Op::KillEngine { InstanceKind::Engine } else { InstanceKind::Replica };
        let instances = world::instances(&self.manager.layout()).await;
        let name = &self.model.volumes[at].name;
        let of_volume = |instance: &&world::Running| {
            instance.told.volume == *name && instance.told.kind() == kind && instance.told.pid > 0
        };
        let mut pids: Vec<u32> = instances.iter().filter(of_volume).map(|running| running.told.pid).collect();
        if operation == Op::KillReplica {
            pids.truncate(1);
        }
        for pid in &pids {
            let _ = kill(Pid::from_raw(i32::try_from(*pid).unwrap()), Signal::SIGKILL);
        }
        if pids.is_empty() { Outcome::Refused } else { Outcome::Done }
    }

    /// Attaches or detaches everything.
    pub(crate) async fn everything(&mut self, attached: bool) {
        for at in 0..self.model.volumes.len() {
            let volume = &self.model.volumes[at];
            if !volume.surely_exists() {
                continue;
            }
            let outcome = match (attached, volume.place.certain()) {
                (true, Some(None)) => self.attach(at, false).await,
                (false, Some(Some(_))) => self.detach(at).await,
                _ => continue,
            };
            assert_eq!(outcome, Outcome::Done, "{}", self.model.volumes[at].name);
        }
    }

    pub(crate) async fn delete_everything(&mut self) {
        for at in 0..self.model.volumes.len() {
            if self.model.volumes[at].surely_exists() {
                assert_eq!(self.delete(at).await, Outcome::Done, "{}", self.model.volumes[at].name);
            }
        }
    }
}

pub(crate) fn model(volumes: usize) -> Model {
    let default = |(name, values): (&'static str, [&str; 2])| (name, Possible::is(values[0].to_owned()));
    Model {
        volumes: (1..=volumes).map(|number| VolumeModel::absent(&format!("v{number}"))).collect(),
        job: Possible::is(false),
        settings: SETTINGS.into_iter().map(default).collect::<BTreeMap<_, _>>(),
        tags: Possible::is(Vec::new()),
        evicted: Possible::is(false),
        disk_evicted: Possible::is(false),
    }
}
