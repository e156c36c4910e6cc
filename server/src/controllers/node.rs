//! Nodes: whether they answer, what their disks have, what may be placed on them.

mod disk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;
use aurochs_api::node::FrontendOffer;
use aurochs_engine::grpc::instance_v1::{DiskInspectReply, DiskInspectRequest, FrontendListRequest};
use tokio::task::JoinHandle;

use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::instance::{Answering, ClientError, InstanceChange, LOOK_TIMEOUT, rpc, within};
use crate::resources::node::{DiskSpec, NodeSpec, NodeStatus, READY, SCHEDULABLE};
use crate::resources::{LABEL_NODE, Node, Object, Replica, condition};
use crate::scheduling::space;
use crate::settings::Name;

/// How often disks are looked at. Free space moves with every write; half a minute is what placement needs.
const INSPECTION_PERIOD: Duration = Duration::from_secs(30);
/// Name of the disk that a new node gets.
const DEFAULT_DISK: &str = "default-disk";

struct Nodes(Context);

/// Keys are node names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    context.clients.nodes().for_each(|node| queue.add(node));
    vec![
        runtime::feed_from_instances(&context.instances, &queue, |change| match change {
            InstanceChange::Node(node) => vec![node.clone()],
            InstanceChange::Instance { .. } => Vec::new(),
        }),
        feed_from_specs(context, &queue),
        feed_from_placements(context, &queue),
        runtime::feed_from_settings::<Node>(&context.store, &context.settings, &queue),
        runtime::run(Arc::new(Nodes(context.clone())), queue),
    ]
}

/// A changed spec (a new disk, scheduling switched off); own status writes must not wake the controller again.
fn feed_from_specs(context: &Context, queue: &WorkQueue) -> JoinHandle<()> {
    let (mut watch, queue) = (context.store.watch::<Node>(), queue.clone());
    tokio::spawn(async move {
        let mut known: BTreeMap<String, NodeSpec> = BTreeMap::new();
        while let Some(event) = watch.next().await {
            let node = event.object();
            if known.insert(node.name().to_owned(), node.spec.clone()).as_ref() != Some(&node.spec) {
                queue.add(node.name());
            }
        }
    })
}

/// A replica that was placed or went: the node's scheduled space changes.
fn feed_from_placements(context: &Context, queue: &WorkQueue) -> JoinHandle<()> {
    let (mut watch, queue) = (context.store.watch::<Replica>(), queue.clone());
    tokio::spawn(async move {
        let mut known: BTreeMap<String, (String, u64)> = BTreeMap::new();
        while let Some(event) = watch.next().await {
            let replica = event.object();
            let place = (replica.spec.node_id.clone(), replica.spec.volume_size.bytes());
            let before = match &event {
                crate::store::WatchEvent::Applied(_) => known.insert(replica.name().to_owned(), place.clone()),
                crate::store::WatchEvent::Deleted(_) => {
                    known.remove(replica.name()).inspect(|(node, _)| queue.add(node))
                }
            };
            if before.as_ref() != Some(&place) && !place.0.is_empty() {
                queue.add(&place.0);
            }
        }
    })
}

impl Controller for Nodes {
    const NAME: &'static str = "node";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let context = &self.0;
        // A node of the store that is not among ours (from an earlier start with more nodes) shows as down.
        let answering = context.instances.answering(name);
        if answering == Answering::NotYet {
            return Ok(Next::After(Duration::from_secs(1)));
        }
        let Some(node) = self.ensure(name, &answering).await? else { return Ok(Next::After(INSPECTION_PERIOD)) };
        let answers = matches!(answering, Answering::Yes { .. });
        let mut inspections = BTreeMap::new();
        for (disk, spec) in &node.spec.disks {
            let inspection = if answers { self.inspect(name, &spec.path).await } else { Err(down(name, &answering)) };
            inspections.insert(disk.clone(), inspection);
        }
        let frontends = if answers { Some(self.frontends(name).await?) } else { None };
        let replicas = context.store.list_labelled::<Replica>(LABEL_NODE, name).await?;
        let sharing = self.sharing(&node, &inspections).await?;
        let limits = super::volume::cluster::limits(&context.settings);
        let change = |status: &mut NodeStatus| {
            tell_ready(status, name, &answering);
            if let Some(frontends) = &frontends {
                status.frontends.clone_from(frontends);
            }
            disk::apply(status, &node.spec, &inspections, &replicas, &sharing, limits);
            tell_schedulable(status, &node);
        };
        context.store.modify_status::<Node>(name, change).await?;
        Ok(Next::After(INSPECTION_PERIOD))
    }
}

impl Nodes {
    /// The node's resource; at the first sight of a node it is made, with a disk.
    async fn ensure(&self, name: &str, answering: &Answering) -> Result<Option<Object<Node>>, Error> {
        if let Some(node) = self.0.store.find::<Node>(name).await? {
            return Ok(Some(node));
        }
        if !matches!(answering, Answering::Yes { .. }) {
            return Ok(None);
        }
        let mut spec = NodeSpec { name: name.to_owned(), allow_scheduling: true, ..NodeSpec::default() };
        if let Some(path) = self.0.default_disks.get(name) {
            spec.disks.insert(DEFAULT_DISK.to_owned(), self.default_disk(name, &path.to_string_lossy()).await?);
        }
        Ok(Some(self.0.store.create(&Object::<Node>::new(name, spec)).await?))
    }

    /// Reserves the set part of the node's share of the file system.
    async fn default_disk(&self, node: &str, path: &str) -> Result<DiskSpec, Error> {
        let own = self.inspect(node, path).await?;
        let mut sharers = 1;
        for (other, other_path) in self.0.default_disks.iter().filter(|(other, _)| *other != node) {
            let inspection = self.inspect(other, &other_path.to_string_lossy()).await;
            sharers += u64::from(inspection.is_ok_and(|inspection| inspection.filesystem_id == own.filesystem_id));
        }
        let percent = self.0.settings.number(Name::StorageReservedPercentageForDefaultDisk);
        let share = aurochs_api::size::ByteSize(own.maximum_bytes / sharers);
        Ok(DiskSpec {
            path: path.to_owned(),
            allow_scheduling: true,
            storage_reserved: space::default_reservation(share, percent),
            ..DiskSpec::default()
        })
    }

    async fn inspect(&self, node: &str, path: &str) -> Result<DiskInspectReply, ClientError> {
        let request = within(LOOK_TIMEOUT, DiskInspectRequest { path: path.to_owned(), create: true });
        let reply = self.0.clients.manager(node)?.disk_inspect(request).await;
        Ok(reply.map_err(rpc(format!("looking at {path} on {node}")))?.into_inner())
    }

    async fn frontends(&self, node: &str) -> Result<Vec<FrontendOffer>, Error> {
        let reply = self.0.clients.manager(node)?.frontend_list(within(LOOK_TIMEOUT, FrontendListRequest {})).await;
        let reply = reply.map_err(rpc(format!("asking {node} for its frontends")))?.into_inner();
        let offers = reply.frontends.into_iter();
        Ok(offers
            .map(|offer| FrontendOffer { kind: offer.kind, available: offer.available, reason: offer.reason })
            .collect())
    }

    /// How many disks of all nodes lie on each file system.
    async fn sharing(
        &self,
        node: &Object<Node>,
        inspections: &BTreeMap<String, Result<DiskInspectReply, ClientError>>,
    ) -> Result<BTreeMap<String, u64>, Error> {
        let mut sharing: BTreeMap<String, u64> = BTreeMap::new();
        for inspection in inspections.values().flatten() {
            *sharing.entry(inspection.filesystem_id.clone()).or_default() += 1;
        }
        let default_paths = &self.0.default_disks;
        for other in self.0.store.list::<Node>().await?.iter().filter(|other| other.name() != node.name()) {
            for disk in other.status.disk_status.values().filter(|disk| !disk.filesystem_id.is_empty()) {
                *sharing.entry(disk.filesystem_id.clone()).or_default() += 1;
            }
            // A node whose first inspection is still to come: its default disk lies beside ours.
            if other.status.disk_status.is_empty() && default_paths.contains_key(other.name()) {
                for inspection in inspections.values().flatten() {
                    *sharing.entry(inspection.filesystem_id.clone()).or_default() += 1;
                }
            }
        }
        Ok(sharing)
    }
}

fn down(node: &str, answering: &Answering) -> ClientError {
    let reason = match answering {
        Answering::No { since, error } => format!("{node} has not answered since {since} ({error})"),
        Answering::NotYet | Answering::Yes { .. } => format!("{node} has not answered yet"),
    };
    ClientError::Rpc { doing: "looking at the disk".to_owned(), status: tonic::Status::unavailable(reason) }
}

fn tell_ready(status: &mut NodeStatus, name: &str, answering: &Answering) {
    status.causes.clear();
    match answering {
        Answering::Yes { .. } => condition::set(&mut status.conditions, READY, ConditionStatus::True, "", ""),
        Answering::NotYet => {}
        Answering::No { since, error } => {
            let message = format!("The instance manager of {name} has not answered since {since}: {error}.");
            condition::set(&mut status.conditions, READY, ConditionStatus::False, "ManagerPodDown", &message);
            status.causes.push(Cause {
                code: CauseCode::NodeDown,
                severity: Severity::Error,
                message,
                next_step: "It is started again by itself; if it stays down, see its log in the data directory."
                    .to_owned(),
                objects: vec![name.to_owned()],
                details: Vec::new(),
            });
        }
    }
}

fn tell_schedulable(status: &mut NodeStatus, node: &Object<Node>) {
    let (value, reason, message) = if node.spec.allow_scheduling {
        (ConditionStatus::True, "", String::new())
    } else {
        (ConditionStatus::False, "SchedulingDisabled", format!("Scheduling is disabled on {}.", node.name()))
    };
    condition::set(&mut status.conditions, SCHEDULABLE, value, reason, &message);
}
