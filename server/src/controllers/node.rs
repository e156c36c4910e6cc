//! Nodes: whether they answer, what their disks have, what may be placed on them.
//!
//! A pass: what the node is to have by itself ([`default_disks`]), a look at each disk ([`trouble`], [`disk`]), what the
//! machine lacks ([`crate::environment`]), whether it may go when it is cordoned ([`super::drain`]), and what lies or runs
//! there without an owner ([`super::orphan`]).

mod default_disks;
pub mod deletion;
mod disk;
pub(super) mod given_up;
mod health;
mod looks;
mod status;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;
use tokio::task::JoinHandle;

use super::drain::{self, Policy, ReplicaFacts, Scene, Verdict};
use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error, orphan};
use crate::events::{EventType, Reason};
use crate::instance::{Answering, Clients, InstanceChange};
use crate::resources::node::{DiskSpec, NodeSpec, NodeStatus, READY};
use crate::resources::{BackingImage, Engine, LABEL_NODE, Metadata, Node, Object, Replica, condition};
use crate::scheduling::space;
use crate::settings::Name;
use default_disks::Wish;
use looks::{Make, Memory};
pub(in crate::controllers) use trouble::Look;

/// How often disks are looked at. Free space moves with every write; half a minute is what placement needs.
const INSPECTION_PERIOD: Duration = Duration::from_secs(30);

struct Nodes {
    context: Context,
    memory: Memory,
    health: health::Memory,
}

/// Keys are node names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    context.clients.nodes().iter().for_each(|node| queue.add(node));
    let nodes = Nodes { context: context.clone(), memory: Memory::default(), health: health::Memory::default() };
    vec![
        runtime::feed_from_instances(&context.instances, &queue, |change| match change {
            InstanceChange::Node(node) => vec![node.clone()],
            InstanceChange::Instance { .. } => Vec::new(),
        }),
        feed_from_wishes(context, &queue),
        feed_from_placements(context, &queue),
        feed_from_images(context, &queue),
        runtime::feed_from_settings::<Node>(&context.store, &context.settings, &queue),
        runtime::run(Arc::new(nodes), queue),
    ]
}

/// What others write on a node: a new disk, scheduling switched off, a label, its deletion. Own status writes must not
/// wake the controller again.
fn feed_from_wishes(context: &Context, queue: &WorkQueue) -> JoinHandle<()> {
    let (mut watch, queue) = (context.store.watch::<Node>(), queue.clone());
    tokio::spawn(async move {
        let mut known: BTreeMap<String, (NodeSpec, Metadata)> = BTreeMap::new();
        while let Some(event) = watch.next().await {
            let node = event.object();
            let metadata = Metadata { resource_version: String::new(), ..node.metadata.clone() };
            let wish = (node.spec.clone(), metadata);
            if known.insert(node.name().to_owned(), wish.clone()).as_ref() != Some(&wish) {
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

/// A file of an image that came, went or became known: what is promised on disks changes.
fn feed_from_images(context: &Context, queue: &WorkQueue) -> JoinHandle<()> {
    let (mut watch, store, queue) = (context.store.watch::<BackingImage>(), context.store.clone(), queue.clone());
    tokio::spawn(async move {
        let mut known: BTreeMap<String, (BTreeSet<String>, u64)> = BTreeMap::new();
        while let Some(event) = watch.next().await {
            let image = event.object();
            let disks: BTreeSet<String> = image.status.disk_file_status_map.keys().cloned().collect();
            let now = (disks, image.status.real_size.bytes());
            let before = match &event {
                crate::store::WatchEvent::Applied(_) => known.insert(image.name().to_owned(), now.clone()),
                crate::store::WatchEvent::Deleted(_) => known.remove(image.name()),
            };
            if before.as_ref() == Some(&now) && matches!(event, crate::store::WatchEvent::Applied(_)) {
                continue;
            }
            for node in store.list_shared::<Node>().await.unwrap_or_default() {
                queue.add(node.name());
            }
        }
    })
}

impl Controller for Nodes {
    const NAME: &'static str = "node";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let context = &self.context;
        // A node of the store that is not among ours (from an earlier start with more nodes) shows as down.
        let answering = context.instances.answering(name);
        if answering == Answering::NotYet {
            return Ok(Next::After(Duration::from_secs(1)));
        }
        let answers = matches!(answering, Answering::Yes { .. });
        let Some(node) = self.ensure(name, answers).await? else { return Ok(Next::After(INSPECTION_PERIOD)) };
        if node.is_deleting() {
            let gone = deletion::run(context, &node, answers).await?;
            // One that answers is made anew.
            let soon = if gone { Duration::from_secs(1) } else { INSPECTION_PERIOD };
            return Ok(if gone && !answers { Next::Wait } else { Next::After(soon) });
        }
        let (node, mut causes) = self.give(node, answers, false).await?;
        let owned = orphan::Owned::read(context, name).await?;
        let looks = self.looks(&node, &answering).await;
        let frontends = if answers { Some(looks::frontends(context, name).await?) } else { None };
        let environment = if answers { self.memory.environment(context, &node, &answering).await } else { None };
        let health = if answers { self.health.look(context, &node).await } else { None };
        let verdict = verdict(context, &node).await?;
        causes.extend(verdict.as_ref().and_then(|(policy, verdict)| drain::cause(*policy, name, verdict)));
        let findings = status::Findings {
            answering: &answering,
            looks: &looks,
            frontends,
            environment,
            health,
            verdict: verdict.as_ref(),
            causes,
        };
        let updated = self.tell(&node, findings).await?;
        if answers {
            orphan::scan(context, &updated, &owned, &looks).await?;
        }
        Ok(Next::After(INSPECTION_PERIOD))
    }
}

/// Makes the resource of a node of this machine, whoever acts: this manager alone knows where its disk is. `local` reaches its
/// instance manager.
pub async fn introduce(context: &Context, local: &Clients, name: &str) -> Result<(), Error> {
    let context = Context { clients: local.clone(), ..context.clone() };
    let nodes = Nodes { context, memory: Memory::default(), health: health::Memory::default() };
    nodes.ensure(name, true).await.map(drop)
}

impl Nodes {
    /// The node's resource; at the first sight of a node it is made.
    async fn ensure(&self, name: &str, answers: bool) -> Result<Option<Object<Node>>, Error> {
        if let Some(node) = self.context.store.find::<Node>(name).await? {
            return Ok(Some(node));
        }
        // Of another machine's node its own manager tells.
        if !answers || !self.context.clients.is_own(name) {
            return Ok(None);
        }
        let spec = NodeSpec { name: name.to_owned(), allow_scheduling: true, ..NodeSpec::default() };
        let mut node = Object::<Node>::new(name, spec);
        if let Some(labels) = self.context.node_labels.get(name) {
            node.metadata.labels.clone_from(labels);
        }
        // With its disk from the start: a node that is seen without one would be labelled "no disk" for a moment.
        let (node, causes) = self.give(node, answers, true).await?;
        if let Some(cause) = causes.first() {
            // Only a new node gets the default disk: it has to wait until it can have one.
            return Err(Error::Other(cause.message.clone()));
        }
        Ok(Some(self.context.store.create(&node).await?))
    }

    /// Gives the node what its label and annotations ask for, and tells what of that can't be understood or had.
    async fn give(
        &self,
        mut node: Object<Node>,
        answers: bool,
        is_new: bool,
    ) -> Result<(Object<Node>, Vec<Cause>), Error> {
        let mut causes = Vec::new();
        let mut wished = node.spec.clone();
        match default_disks::tags(&node.metadata, &node.spec) {
            Ok(Some(tags)) => wished.tags = tags,
            Ok(None) => {}
            Err(why) => causes.push(not_understood(node.name(), &why)),
        }
        let only_labelled = self.context.settings.flag(Name::CreateDefaultDiskLabeledNodes);
        match default_disks::wish(&node.metadata, &node.spec, only_labelled, is_new) {
            Wish::Nothing => {}
            Wish::Unreadable(why) => causes.push(not_understood(node.name(), &why)),
            Wish::Default | Wish::These(_) if !answers => {}
            Wish::Default => {
                if let Err(why) = self.give_default(node.name(), &mut wished).await {
                    causes.push(no_default_disk(node.name(), &why));
                }
            }
            Wish::These(disks) => match self.give_these(node.name(), &disks).await {
                Ok(given) => wished.disks = given.disks,
                Err(why) => causes.push(no_default_disk(node.name(), &why)),
            },
        }
        if is_new {
            node.spec = wished;
        } else if wished != node.spec {
            let change = |node: &mut Object<Node>| {
                // Somebody else may have been faster.
                if node.spec.disks.is_empty() {
                    node.spec.disks.clone_from(&wished.disks);
                }
                if node.spec.tags.is_empty() {
                    node.spec.tags.clone_from(&wished.tags);
                }
            };
            node = self.context.store.modify::<Node>(node.name(), change).await?;
        }
        Ok((node, causes))
    }

    /// Reserves the set part of the node's share of the file system.
    async fn give_default(&self, node: &str, spec: &mut NodeSpec) -> Result<(), String> {
        let Some(path) = looks::default_path(&self.context, node) else { return Ok(()) };
        let own = looks::inspect(&self.context, node, &path, Make::Directory).await?;
        let mut sharers = 1;
        // They are on this machine, and may not answer yet: this node looks itself. A directory that is still to be made
        // will lie beside its own.
        for other in self.context.default_disks.keys().filter(|other| *other != node) {
            let Some(path) = looks::default_path(&self.context, other) else { continue };
            let look = looks::inspect(&self.context, node, &path, Make::Nothing).await;
            sharers += u64::from(look.map_or(true, |look| look.filesystem_id == own.filesystem_id));
        }
        let percent = self.context.settings.number(Name::StorageReservedPercentageForDefaultDisk);
        let share = aurochs_api::size::ByteSize(own.maximum_bytes / sharers);
        let disk = DiskSpec {
            path,
            allow_scheduling: true,
            storage_reserved: space::default_reservation(share, percent),
            ..DiskSpec::default()
        };
        spec.disks.insert(default_disks::name_for(&own.filesystem_id, spec), disk);
        Ok(())
    }

    /// All of them or none: a node with a part of its disks would count as one that has disks, and get no more.
    async fn give_these(&self, node: &str, disks: &[default_disks::DiskWish]) -> Result<NodeSpec, String> {
        let mut given = NodeSpec::default();
        let (named, nameless): (Vec<_>, Vec<_>) = disks.iter().partition(|disk| !disk.name.is_empty());
        for disk in named.into_iter().chain(nameless) {
            let look = looks::inspect(&self.context, node, &disk.path, Make::Nothing).await?;
            let name = match disk.name.as_str() {
                "" => default_disks::name_for(&look.filesystem_id, &given),
                name => name.to_owned(),
            };
            given.disks.insert(name, disk.spec());
        }
        Ok(given)
    }

    /// All disks at once: one that hangs must not keep the others waiting.
    async fn looks(&self, node: &Object<Node>, answering: &Answering) -> BTreeMap<String, Look> {
        let silent = match answering {
            Answering::Yes { .. } => None,
            Answering::No { since, error } => Some(format!("{} has not answered since {since} ({error})", node.name())),
            Answering::NotYet => Some(format!("{} has not answered yet", node.name())),
        };
        let look = async |name: &String, spec: &DiskSpec| {
            if let Some(why) = &silent {
                return (name.clone(), Look::NodeSilent(why.clone()));
            }
            let is_known = node.status.disk_status.get(name).is_some_and(|disk| !disk.disk_uuid.is_empty());
            let make = if is_known { Make::Nothing } else { Make::Configuration };
            let look = match looks::inspect(&self.context, node.name(), &spec.path, make).await {
                Ok(found) => Look::Found(Box::new(found)),
                Err(why) => Look::Failed(why),
            };
            (name.clone(), look)
        };
        futures::future::join_all(node.spec.disks.iter().map(|(name, spec)| look(name, spec)))
            .await
            .into_iter()
            .collect()
    }

    /// Writes the status, and tells when the node came or went.
    async fn tell(&self, node: &Object<Node>, findings: status::Findings<'_>) -> Result<Object<Node>, Error> {
        let (context, name) = (&self.context, node.name());
        let replicas = context.store.list_labelled::<Replica>(LABEL_NODE, name).await?;
        let others: Vec<_> = context.store.list::<Node>().await?;
        let sharing = looks::sharing(context, name, &others, findings.looks);
        let identities = looks::identities(name, &others);
        let default_path = looks::default_path(context, name);
        let images = context.store.list_shared::<BackingImage>().await?;
        let around = disk::Surroundings {
            replicas: &replicas,
            images: &images,
            sharing: &sharing,
            identities: &identities,
            default_path: default_path.as_deref(),
            limits: super::volume::cluster::limits(&context.settings),
        };
        let cordon_counts = context.settings.flag(Name::DisableSchedulingOnCordonedNode);
        let change = |status: &mut NodeStatus| status::apply(status, node, &findings, around, cordon_counts);
        let updated = context.store.modify_status::<Node>(name, change).await?;
        announce(context, node, &updated);
        Ok(updated)
    }
}

/// For a cordoned node: whether it may go, under the policy that holds.
pub async fn verdict(context: &Context, node: &Object<Node>) -> Result<Option<(Policy, Verdict)>, Error> {
    if !node.spec.cordoned {
        return Ok(None);
    }
    let (store, name) = (&context.store, node.name());
    let (engines, replicas, nodes) =
        tokio::try_join!(store.list::<Engine>(), store.list::<Replica>(), store.list::<Node>())?;
    let can_be_counted_on =
        |other: &&Object<Node>| !other.spec.cordoned && condition::is_true(&other.status.conditions, READY);
    let scene = Scene {
        attached: drain::attached_to(name, &engines),
        replicas: replicas.iter().map(ReplicaFacts::from).collect(),
        guarding: nodes.iter().filter(can_be_counted_on).map(|other| other.name().to_owned()).collect(),
    };
    let policy = Policy::of(&context.settings.text(Name::NodeDrainPolicy));
    Ok(Some((policy, drain::judge(policy, name, &scene))))
}

/// Events at the moments when the node begins or ceases to answer.
fn announce(context: &Context, before: &Object<Node>, after: &Object<Node>) {
    let ready = |node: &Object<Node>| condition::find(&node.status.conditions, READY).map(|ready| ready.status);
    if ready(before) == ready(after) {
        return;
    }
    let name = after.name();
    match condition::find(&after.status.conditions, READY) {
        Some(found) if found.status == ConditionStatus::True => {
            context.events.emit(&after.into(), Reason::Ready, EventType::Normal, &format!("Node {name} is ready"));
        }
        Some(found) => context.events.emit(&after.into(), Reason::Unknown, EventType::Warning, &found.message),
        None => {}
    }
}

fn not_understood(node: &str, why: &str) -> Cause {
    cause(node, format!("On {node}, {why}."), "Correct it on the node; nothing is done before.")
}

fn no_default_disk(node: &str, why: &str) -> Cause {
    let message = format!("{node} does not get its disks: {}.", why.trim_end_matches('.'));
    cause(node, message, "Make the directories, or mount the disks there; it is tried again by itself.")
}

fn cause(node: &str, message: String, next_step: &str) -> Cause {
    Cause {
        code: CauseCode::Environment,
        severity: Severity::Warning,
        message,
        next_step: next_step.to_owned(),
        objects: vec![node.to_owned()],
        details: Vec::new(),
    }
}
