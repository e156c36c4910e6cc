//! Snapshots as resources. One pass over a volume brings its Snapshot resources and the layers of its engine together:
//!
//! 1. [`mirror`] — resources show what the engine has;
//! 2. [`create`] — snapshots that resources ask for are taken;
//! 3. [`delete`] — layers of resources that are being deleted are marked;
//! 4. [`purge`] — what was marked is merged away;
//! 5. [`copies`] — what was taken for a copy is deleted when the copy needs it no more;
//! 6. [`hash`] — what the disks return is compared with what was written, and [`corrupted`] replicas go;
//! 7. a ticket asks for the volume while work waits for its engine, and is given back when none does.
//!
//! Every pass asks the engine itself what it has: its resource may lag behind, and a snapshot that was taken a moment ago
//! must neither be taken again nor be called lost. [`names`] says which layer a resource stands for.

mod copies;
mod corrupted;
pub mod create;
mod delete;
mod hash;
mod memory;
mod mirror;
mod names;
pub mod purge;
#[cfg(test)]
mod tests;
mod times;
pub mod trim;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_engine::grpc::engine_v1::StatusRequest;
use tokio::task::JoinHandle;

pub(super) use self::corrupted::{found as found_corrupted, is_good_one_left};
use self::create::Wish;
pub use self::delete::{Fate, fate};
use self::delete::{Marking, Step};
use self::memory::Memory;
pub use self::mirror::resource_for_layer;
use self::names::Layers;
pub use self::names::{layer_name, owns};
use self::purge::Outlook;
use super::engine::told;
use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::tickets::{self, Purpose};
use super::{Context, Error};
use crate::instance::{LOOK_TIMEOUT, rpc, within};
use crate::resources::engine::InstanceState;
use crate::resources::volume_attachment::{AttacherType, FrontendWish};
use crate::resources::{Engine, LABEL_VOLUME, Object, Snapshot, Volume, VolumeAttachment};

/// How soon to look for a node again when none answers.
const NO_NODE_PAUSE: Duration = Duration::from_secs(10);
/// How soon to ask the engine again for what it refused.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

struct Snapshots {
    context: Context,
    memory: Memory,
}

/// Keys are volume names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let seen = Seen::default();
    vec![
        runtime::feed_from_store::<Engine>(&context.store, &queue, move |engine| {
            if seen.is_news(engine) { vec![engine.spec.volume_name.clone()] } else { Vec::new() }
        }),
        runtime::feed_from_store::<Snapshot>(&context.store, &queue, |snapshot| {
            let waits = snapshot.spec.create_snapshot && !names::was_taken(snapshot);
            if waits || snapshot.is_deleting() { vec![snapshot.spec.volume.clone()] } else { Vec::new() }
        }),
        runtime::feed_from_store::<Volume>(&context.store, &queue, copies::concerned),
        // Whoever else wants the volume may have gone.
        runtime::feed_from_store::<VolumeAttachment>(&context.store, &queue, |tickets| vec![tickets.name().to_owned()]),
        runtime::feed_from_settings::<Volume>(&context.store, &context.settings, &queue),
        runtime::resync::<Volume>(&context.store, &queue, runtime::RESYNC),
        runtime::run(Arc::new(Snapshots { context: context.clone(), memory: Memory::default() }), queue),
    ]
}

/// What engines last told of what matters here. Progress and sizes of the head move all the time and matter nothing.
#[derive(Default)]
struct Seen {
    fingerprints: Mutex<HashMap<String, u64>>,
}

impl Seen {
    fn is_news(&self, engine: &Object<Engine>) -> bool {
        let mut fingerprints = self.fingerprints.lock().unwrap_or_else(PoisonError::into_inner);
        if engine.is_deleting() {
            fingerprints.remove(engine.name());
            return true;
        }
        let now = fingerprint(engine);
        fingerprints.insert(engine.name().to_owned(), now) != Some(now)
    }
}

fn fingerprint(engine: &Object<Engine>) -> u64 {
    let status = &engine.status;
    let mut hasher = DefaultHasher::new();
    (status.current_state, &status.address, &status.exclusive_work, status.epoch).hash(&mut hasher);
    engine.spec.replica_address_map.len().hash(&mut hasher);
    for (replica, mode) in &status.replica_mode_map {
        (replica, std::mem::discriminant(mode)).hash(&mut hasher);
    }
    for layer in status.snapshots.values() {
        let size = if layer.name == VOLUME_HEAD { 0 } else { layer.size.bytes() };
        (&layer.name, &layer.parent, &layer.children, layer.removed, layer.image_missing, size).hash(&mut hasher);
    }
    for (replica, purge) in &status.purge_status {
        (replica, purge.is_purging, &purge.error).hash(&mut hasher);
    }
    if let Some(hash) = &status.hash {
        (&hash.snapshot, hash.running).hash(&mut hasher);
        hash.replicas.values().for_each(|told| (&told.last_hashed_at, told.silently_corrupted).hash(&mut hasher));
    }
    hasher.finish()
}

impl Controller for Snapshots {
    const NAME: &'static str = "snapshot";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let store = &self.context.store;
        let mut known = store.list_labelled::<Snapshot>(LABEL_VOLUME, name).await?;
        let Some(volume) = store.find::<Volume>(name).await?.filter(|volume| !volume.is_deleting()) else {
            // The layers go with the replicas.
            for snapshot in &known {
                mirror::forget(&self.context, snapshot).await?;
            }
            self.memory.forget(name, known.iter().map(|snapshot| snapshot.metadata.uid.as_str()));
            return Ok(Next::Wait);
        };
        copies::let_go(&self.context, &known).await?;
        let mut pause = Pause::default();
        let in_use = self.is_in_use(&volume).await?;
        let purge = match self.engine(name).await? {
            Some(engine) => self.attached(&volume, engine, &mut known, in_use, &mut pause).await?,
            None => self.detached(&volume, &mut known).await?,
        };
        let needed = self.has_work(&volume, &known, purge, &mut pause) && !in_use;
        self.settle_ticket(&volume, needed, &mut pause).await?;
        Ok(pause.0.map_or(Next::Wait, Next::After))
    }
}

/// The soonest of the moments at which to look again.
#[derive(Default)]
struct Pause(Option<Duration>);

impl Pause {
    fn at_most(&mut self, pause: Option<Duration>) {
        self.0 = self.0.into_iter().chain(pause).min();
    }
}

impl Snapshots {
    /// The volume's running engine, with what it has at this moment.
    async fn engine(&self, volume: &str) -> Result<Option<Object<Engine>>, Error> {
        let engines = self.context.store.list_labelled::<Engine>(LABEL_VOLUME, volume).await?;
        let runs = |engine: &Object<Engine>| {
            engine.status.current_state == InstanceState::Running && !engine.status.address.is_empty()
        };
        let Some(engine) = engines.into_iter().find(runs) else { return Ok(None) };
        self.asked(engine).await
    }

    /// The layers that the volume's engine told last; none while it starts.
    async fn last_told(&self, volume: &str) -> Result<Layers, Error> {
        let engines = self.context.store.list_labelled::<Engine>(LABEL_VOLUME, volume).await?;
        Ok(engines.into_iter().next().map(|engine| engine.status.snapshots).unwrap_or_default())
    }

    async fn asked(&self, mut engine: Object<Engine>) -> Result<Option<Object<Engine>>, Error> {
        let address = engine.status.address.clone();
        let answer = self.context.clients.engine(&address)?.status(within(LOOK_TIMEOUT, StatusRequest {})).await;
        let message = answer.map_err(rpc(format!("asking engine {} for its snapshots", engine.name())))?.into_inner();
        engine.status = told::applied(&engine.status, &message, &address);
        let usable = engine.status.current_state == InstanceState::Running
            && engine.spec.volume_name == message.volume
            && engine.status.snapshots.contains_key(VOLUME_HEAD);
        Ok(usable.then_some(engine))
    }

    async fn attached(
        &self,
        volume: &Object<Volume>,
        mut engine: Object<Engine>,
        known: &mut Vec<Object<Snapshot>>,
        in_use: bool,
        pause: &mut Pause,
    ) -> Result<Outlook, Error> {
        let (context, memory) = (&self.context, &self.memory);
        mirror::apply(context, volume, &engine.status.snapshots, known).await?;
        let taken = create::take_all(context, memory, volume, &engine, known).await?;
        let Marking { marked, refused } = delete::mark_all(context, &engine, known).await?;
        pause.at_most(refused.then_some(REFUSED_PAUSE));
        if taken || marked {
            let Some(now) = self.asked(engine).await? else { return Ok(Outlook::Nothing) };
            engine = now;
            mirror::apply(context, volume, &engine.status.snapshots, known).await?;
        }
        let purge = purge::run(context, memory, volume, &engine, marked).await?;
        // A volume that is attached for controllers alone goes as soon as it can.
        if in_use {
            pause.at_most(hash::run(context, memory, volume, &engine, known).await?);
        }
        Ok(purge)
    }

    /// What was last told stays true. Only what never reached an engine can go.
    async fn detached(&self, volume: &Object<Volume>, known: &mut Vec<Object<Snapshot>>) -> Result<Outlook, Error> {
        mirror::fill(&self.context, volume, &self.last_told(volume.name()).await?, known).await?;
        let (never_asked, rest): (Vec<_>, Vec<_>) =
            known.drain(..).partition(|snapshot| snapshot.is_deleting() && names::was_never_asked(snapshot));
        *known = rest;
        for snapshot in &never_asked {
            mirror::forget(&self.context, snapshot).await?;
        }
        create::tell_waiting(&self.context, volume, known).await?;
        Ok(self.memory.purge_rests(volume.name()).map_or(Outlook::Nothing, Outlook::Rests))
    }

    /// Whether something waits for the engine, and will not go on waiting when it runs.
    fn has_work(&self, volume: &Object<Volume>, known: &[Object<Snapshot>], purge: Outlook, pause: &mut Pause) -> bool {
        let purge_disabled = purge::is_disabled(&self.context);
        if let Outlook::Busy(Some(left)) | Outlook::Rests(left) = purge {
            pause.at_most(Some(left));
        }
        let mut has_work = false;
        for snapshot in known {
            let rests = self.memory.take_pause(&snapshot.metadata.uid);
            pause.at_most(rests);
            has_work |= if snapshot.is_deleting() {
                match delete::step(&snapshot.status, purge_disabled) {
                    _ if !names::was_taken(snapshot) => true,
                    Step::Mark => true,
                    Step::Purge => !matches!(purge, Outlook::Rests(_)),
                    // Below the head something is given back, too.
                    Step::Stay(_) => matches!(purge, Outlook::Busy(_)),
                }
            } else {
                rests.is_none() && create::wish(snapshot, volume, known) == Wish::Take
            };
        }
        has_work
    }

    async fn settle_ticket(&self, volume: &Object<Volume>, needed: bool, pause: &mut Pause) -> Result<(), Error> {
        let store = &self.context.store;
        let purpose = purpose(volume);
        if !needed {
            return tickets::release(store, volume.name(), &purpose).await;
        }
        match tickets::node_for(&self.context, volume).await? {
            Some(node) => {
                tickets::want(store, volume.name(), &purpose, &node, FrontendWish::Either).await?;
            }
            None => pause.at_most(Some(NO_NODE_PAUSE)),
        }
        Ok(())
    }

    /// A volume that a workload wants attached needs no ticket of ours.
    async fn is_in_use(&self, volume: &Object<Volume>) -> Result<bool, Error> {
        let tickets = self.context.store.find::<VolumeAttachment>(volume.name()).await?;
        Ok(tickets.is_some_and(|tickets| tickets::is_in_use(&tickets.spec)))
    }
}

fn purpose(volume: &Object<Volume>) -> Purpose<'_> {
    Purpose { kind: AttacherType::SnapshotController, of: volume.name() }
}
