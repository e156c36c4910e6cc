//! Replicas: starts and stops their processes, mirrors their state, removes their data when they are deleted.

pub mod last_data;

use std::sync::Arc;
use std::time::Duration;

use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::ByteSize;
use aurochs_engine::grpc::instance_v1::{
    InstanceStartRequest, InstanceStopRequest, ReplicaDirectoryDeleteRequest, ReplicaSpec as Arguments,
    instance_start_request::Spec,
};
use tokio::task::JoinHandle;

use super::instance_manager::runs_as;
use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::{Answering, CHANGE_TIMEOUT, InstanceChange, Seen, record, rpc, within};
use crate::resources::engine::InstanceState;
use crate::resources::replica::ReplicaStatus;
use crate::resources::volume::{CONDITION_WAIT_FOR_BACKING_IMAGE, REASON_WAITING_FOR_BACKING_IMAGE};
use crate::resources::{BackingImage, Engine, LABEL_VOLUME, Node, Object, Replica, Volume, condition};

/// Time a replica gets to close its files; it has no writes in flight, its engine is gone.
const STOP_GRACE_SECONDS: u32 = 30;

/// How soon to look again whether another replica has the data of one that is to go.
const LAST_DATA_PAUSE: Duration = Duration::from_secs(10);

/// How soon to look again whether the image is on the disk.
const IMAGE_PAUSE: Duration = Duration::from_secs(1);

/// How soon to look again whether a silent node was given up; one that answers again wakes us.
const SILENT_NODE_PAUSE: Duration = Duration::from_secs(30);

struct Replicas {
    context: Context,
}

/// Keys are replica names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    vec![
        runtime::feed_from_store::<Replica>(&context.store, &queue, |replica| vec![replica.name().to_owned()]),
        runtime::feed_from_instances(&context.instances, &queue, |change| match change {
            InstanceChange::Instance { name, .. } => vec![name.clone()],
            InstanceChange::Node(_) => Vec::new(),
        }),
        runtime::feed_from_nodes::<Replica>(&context.store, &context.instances, &queue, |replica, node| {
            replica.spec.node_id == node
        }),
        runtime::resync::<Replica>(&context.store, &queue, runtime::RESYNC),
        runtime::run(Arc::new(Replicas { context: context.clone() }), queue),
    ]
}

impl Controller for Replicas {
    const NAME: &'static str = "replica";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        // Instances of engines come by too: they are no replicas, and that is that.
        let Some(replica) = self.context.store.find::<Replica>(name).await? else { return Ok(Next::Wait) };
        let serves_on =
            replica.is_deleting() && !last_data::is_given_up(&replica) && self.has_the_last_data(&replica).await?;
        if replica.is_deleting() && !serves_on {
            return self.delete(&replica).await;
        }
        if !replica.spec.is_placed() {
            return Ok(Next::Wait);
        }
        if self.context.instances.answering(&replica.spec.node_id) == Answering::NotYet {
            // A manager that has just started concludes nothing from its own ignorance.
            return Ok(Next::After(Duration::from_millis(500)));
        }
        let seen = self.context.instances.see(&replica.spec.node_id, name);
        let starts = replica.spec.desire_state == InstanceState::Running
            && seen == Seen::Absent
            && replica.status.current_state == InstanceState::Stopped;
        let backing_file = if starts { self.backing_file(&replica).await? } else { Some(String::new()) };
        let Some(backing_file) = backing_file else { return Ok(Next::After(IMAGE_PAUSE)) };
        let seen = match (replica.spec.desire_state, seen) {
            (InstanceState::Running, Seen::Absent) if starts => self.start(&replica, backing_file).await?,
            (InstanceState::Stopped, Seen::Present(_)) => self.stop(&replica).await?,
            (_, seen) => seen,
        };
        let wished_running = replica.spec.desire_state == InstanceState::Running;
        let change = |status: &mut ReplicaStatus| {
            status.owner_id = self.context.owner.to_string();
            mirror(status, &seen, wished_running);
            if let Some(runs) = runs_as(status.current_state, &replica.spec.image, &replica.spec.node_id) {
                (status.current_image, status.instance_manager_name) = runs;
            }
        };
        self.context.store.modify_status::<Replica>(name, change).await?;
        Ok(if serves_on { Next::After(LAST_DATA_PAUSE) } else { Next::Wait })
    }
}

impl Replicas {
    /// The file that the replica stands on; empty for none, and nothing while it is not whole on the replica's disk.
    async fn backing_file(&self, replica: &Object<Replica>) -> Result<Option<String>, Error> {
        let (store, name) = (&self.context.store, &replica.spec.backing_image);
        if name.is_empty() {
            return Ok(Some(String::new()));
        }
        let image = store.find::<BackingImage>(name).await?.filter(|image| !image.status.uuid.is_empty());
        let (file, obstacle) = match image.filter(|image| image.is_ready_on(&replica.spec.disk_id)) {
            None => (None, format!("backing image {name} is not on its disk yet")),
            // The image became known after the volume was made.
            Some(image) if image.status.virtual_size > replica.spec.volume_size => {
                let (needs, has) = (image.status.virtual_size, replica.spec.volume_size);
                (None, format!("backing image {name} has {needs}, and the volume only {has}: expand it"))
            }
            Some(image) => (Some(image.file_on(&replica.spec.disk_path)), String::new()),
        };
        let (value, reason, message) = match &file {
            Some(_) => (ConditionStatus::False, "", String::new()),
            None => (ConditionStatus::True, REASON_WAITING_FOR_BACKING_IMAGE, obstacle),
        };
        let tell = |status: &mut ReplicaStatus| {
            condition::set(&mut status.conditions, CONDITION_WAIT_FOR_BACKING_IMAGE, value, reason, &message);
        };
        store.modify_status::<Replica>(replica.name(), tell).await?;
        Ok(file)
    }

    async fn start(&self, replica: &Object<Replica>, backing_file: String) -> Result<Seen, Error> {
        let node = &replica.spec.node_id;
        let request = InstanceStartRequest {
            name: replica.name().to_owned(),
            volume: replica.spec.volume_name.clone(),
            spec: Some(Spec::Replica(Arguments {
                directory: replica.spec.data_path(),
                size_bytes: self.size_of(replica).await?.bytes(),
                revision_counter: !replica.spec.revision_counter_disabled,
                must_exist: replica.spec.holds_data(),
                // Off until volumes have a say in it, and until what it costs is measured.
                checksums: false,
                disk_uuid: replica.spec.disk_id.clone(),
                backing_file,
            })),
        };
        let started = self.context.clients.manager(node)?.instance_start(within(CHANGE_TIMEOUT, request)).await;
        let doing = format!("starting replica {} on {node}", replica.name());
        match started.map_err(rpc(doing)) {
            Ok(instance) => {
                let message = format!("Replica {} starts on {node}.", replica.name());
                self.emit(replica, Reason::Start, EventType::Normal, &message);
                Ok(Seen::Present(Box::new(self.context.instances.put(node, instance.into_inner()))))
            }
            Err(error) if error.is_unreachable() => Err(error.into()),
            // A refusal stands until the volume controller asks again: it decides whether others suffice.
            Err(error) => {
                self.emit(replica, Reason::FailedStarting, EventType::Warning, &error.to_string());
                let failed = aurochs_engine::grpc::instance_v1::Instance {
                    name: replica.name().to_owned(),
                    state: aurochs_engine::grpc::instance_v1::InstanceState::Error.into(),
                    error: error.to_string(),
                    ..Default::default()
                };
                Ok(Seen::Present(Box::new(failed)))
            }
        }
    }

    /// A new directory has the size that the volume has. The replica may have been promised more, for an expansion.
    async fn size_of(&self, replica: &Object<Replica>) -> Result<ByteSize, Error> {
        let engine = self.context.store.find::<Engine>(&replica.spec.engine_name).await?;
        let size = engine.map(|engine| engine.spec.volume_size).filter(|size| *size > ByteSize::ZERO);
        Ok(size.unwrap_or(replica.spec.volume_size))
    }

    /// An engine that still runs has to let go of the replica first, or the stop would look like a failure to it.
    async fn stop(&self, replica: &Object<Replica>) -> Result<Seen, Error> {
        let node = &replica.spec.node_id;
        let request = InstanceStopRequest { name: replica.name().to_owned(), grace_seconds: STOP_GRACE_SECONDS };
        let stopped = self.context.clients.manager(node)?.instance_stop(within(CHANGE_TIMEOUT, request)).await;
        let stopped = stopped.map_err(rpc(format!("stopping replica {} on {node}", replica.name())));
        if let Err(error) = &stopped
            && !error.is_unreachable()
        {
            self.emit(replica, Reason::FailedStopping, EventType::Warning, &error.to_string());
        }
        stopped?;
        let message = format!("Replica {} has stopped on {node}.", replica.name());
        self.emit(replica, Reason::Stop, EventType::Normal, &message);
        self.context.instances.forget(node, replica.name());
        Ok(Seen::Absent)
    }

    fn emit(&self, replica: &Object<Replica>, reason: Reason, kind: EventType, message: &str) {
        self.context.events.emit(&ObjectRef::from(replica), reason, kind, message);
    }

    /// Out of the engine, out of the process table, off the disk, then gone.
    async fn delete(&self, replica: &Object<Replica>) -> Result<Next, Error> {
        let name = replica.name();
        if self.is_in_engine(replica).await? {
            // The engine controller takes it out; its status wakes us through the resync at the latest.
            return Ok(Next::After(Duration::from_millis(500)));
        }
        if replica.spec.is_placed() {
            let node = &replica.spec.node_id;
            let seen = self.context.instances.see(node, name);
            if seen == Seen::Unknown {
                return self.delete_on_silent_node(replica).await;
            }
            if !self.give_up(replica).await? {
                return Ok(Next::After(LAST_DATA_PAUSE));
            }
            let seen = if seen == Seen::Absent { seen } else { self.stop(replica).await? };
            // A bad disk may keep the files for ever. A detach waits for processes, not for them.
            self.tell_stopping(name, &seen).await?;
            let request = ReplicaDirectoryDeleteRequest {
                directory: replica.spec.data_path(),
                // A disk that is away keeps the files; they show as orphans when it is back.
                ..ReplicaDirectoryDeleteRequest::default()
            };
            let deleted =
                self.context.clients.manager(node)?.replica_directory_delete(within(CHANGE_TIMEOUT, request)).await;
            let deleted = deleted.map_err(rpc(format!("removing {} on {node}", replica.spec.data_path())));
            if let Err(error) = &deleted
                && !error.is_unreachable()
            {
                self.emit(replica, Reason::FailedDeleting, EventType::Warning, &error.to_string());
                self.tell_removal(name, &error.to_string()).await?;
            }
            deleted?;
        }
        self.context.store.remove_finalizer::<Replica>(name).await?;
        Ok(Next::Wait)
    }

    async fn tell_stopping(&self, name: &str, seen: &Seen) -> Result<(), Error> {
        let change = |status: &mut ReplicaStatus| mirror(status, seen, false);
        self.context.store.modify_status::<Replica>(name, change).await?;
        Ok(())
    }

    /// Why its files are still there. They are tried again, with a pause that grows.
    async fn tell_removal(&self, name: &str, why: &str) -> Result<(), Error> {
        let change = |status: &mut ReplicaStatus| {
            condition::set(&mut status.conditions, last_data::CONDITION_GIVEN_UP, ConditionStatus::True, "", why);
        };
        self.context.store.modify_status::<Replica>(name, change).await?;
        Ok(())
    }

    /// Its files stay as long as its node is silent. When the node itself is given up, so is the replica: what is left of
    /// it shows as an orphan when the node is back.
    async fn delete_on_silent_node(&self, replica: &Object<Replica>) -> Result<Next, Error> {
        let (store, name, node) = (&self.context.store, replica.name(), &replica.spec.node_id);
        self.tell_stopping(name, &Seen::Unknown).await?;
        let is_silent = matches!(self.context.instances.answering(node), Answering::No { .. });
        let is_given_up = store.find::<Node>(node).await?.is_none_or(|node| node.is_deleting());
        let engines = store.list_labelled::<Engine>(LABEL_VOLUME, &replica.spec.volume_name).await?;
        // Also one on a silent node, which may well run.
        let is_used = engines.iter().any(|engine| engine.status.replica_mode_map.contains_key(name));
        if is_silent && is_given_up && !is_used && self.give_up(replica).await? {
            tracing::warn!(
                replica = name,
                node,
                "its node is given up: the replica is forgotten, its files are not removed"
            );
            store.remove_finalizer::<Replica>(name).await?;
            return Ok(Next::Wait);
        }
        Ok(Next::After(SILENT_NODE_PAUSE))
    }

    /// Invariant: the only replica with all data of a volume goes with its volume and not before, whoever asked for its
    /// deletion. It serves on, and another one is built from it when the volume is attached.
    async fn has_the_last_data(&self, replica: &Object<Replica>) -> Result<bool, Error> {
        let (store, volume) = (&self.context.store, &replica.spec.volume_name);
        if store.find::<Volume>(volume).await?.is_none_or(|volume| volume.is_deleting()) {
            return Ok(false);
        }
        let Some(record) = record::get(&self.context.clients, volume).await? else { return Ok(false) };
        let replicas = store.list_labelled::<Replica>(LABEL_VOLUME, volume).await?;
        let is_last = last_data::must_stay(replica.name(), &record.members, &replicas);
        if is_last {
            tracing::warn!(volume, replica = replica.name(), "only this replica has all data: it stays for now");
        }
        Ok(is_last)
    }

    /// Marks it, before anything of it is removed; false when it has to stay after all. From now on nobody counts on it.
    async fn give_up(&self, replica: &Object<Replica>) -> Result<bool, Error> {
        if last_data::is_given_up(replica) {
            return Ok(true);
        }
        let _one_at_a_time = self.context.giving_up.take(&replica.spec.volume_name).await;
        if self.has_the_last_data(replica).await? {
            return Ok(false);
        }
        let mark = |status: &mut ReplicaStatus| {
            condition::set(&mut status.conditions, last_data::CONDITION_GIVEN_UP, ConditionStatus::True, "", "");
        };
        self.context.store.modify_status::<Replica>(replica.name(), mark).await?;
        Ok(true)
    }

    /// Whether an engine that runs, or is about to, uses it.
    async fn is_in_engine(&self, replica: &Object<Replica>) -> Result<bool, Error> {
        let engines = self.context.store.list_labelled::<Engine>(LABEL_VOLUME, &replica.spec.volume_name).await?;
        Ok(engines.iter().any(|engine| uses(engine, replica.name())))
    }
}

/// An engine that has not told yet whom it has uses whom it was given.
fn uses(engine: &Object<Engine>, replica: &str) -> bool {
    let told = &engine.status.replica_mode_map;
    match engine.status.current_state {
        InstanceState::Running | InstanceState::Starting if told.is_empty() => {
            engine.spec.replica_address_map.contains_key(replica)
        }
        InstanceState::Running | InstanceState::Starting => told.contains_key(replica),
        _ => false,
    }
}

/// What the process table says, as a status. A process that is wished for and vanished has ended: an error, which
/// stays until the volume controller wishes it stopped.
fn mirror(status: &mut ReplicaStatus, seen: &Seen, wished_running: bool) {
    let before = status.current_state;
    let vanished = wished_running && matches!(seen, Seen::Absent) && !matches!(before, InstanceState::Stopped);
    status.current_state = if vanished { InstanceState::Error } else { seen.state() };
    status.started = status.current_state == InstanceState::Running;
    status.starting = status.current_state == InstanceState::Starting;
    match seen {
        Seen::Present(instance) => {
            status.address = if status.started { instance.address.clone() } else { String::new() };
            status.cause.clone_from(&instance.error);
        }
        Seen::Absent => {
            status.address.clear();
            if vanished && status.cause.is_empty() {
                "its process is gone".clone_into(&mut status.cause);
            } else if !vanished {
                status.cause.clear();
            }
        }
        // Its process may run; the address stays good.
        Seen::Unknown => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_engine::grpc::instance_v1::{Instance, InstanceState as Told};

    fn present(state: Told, error: &str) -> Seen {
        let instance =
            Instance { state: state.into(), error: error.into(), address: "unix:/a".into(), ..Instance::default() };
        Seen::Present(Box::new(instance))
    }

    #[test]
    fn a_process_that_vanishes_is_an_error_until_it_is_wished_stopped() {
        let mut status = ReplicaStatus::default();
        mirror(&mut status, &present(Told::Running, ""), true);
        assert_eq!((status.current_state, status.address.as_str()), (InstanceState::Running, "unix:/a"));
        mirror(&mut status, &Seen::Absent, true);
        assert_eq!(status.current_state, InstanceState::Error);
        assert!(status.address.is_empty() && !status.cause.is_empty());
        mirror(&mut status, &Seen::Absent, true);
        assert_eq!(status.current_state, InstanceState::Error);
        mirror(&mut status, &Seen::Absent, false);
        assert_eq!(status.current_state, InstanceState::Stopped);
        assert!(status.cause.is_empty());
    }

    #[test]
    fn a_silent_instance_manager_proves_nothing() {
        let mut status = ReplicaStatus::default();
        mirror(&mut status, &present(Told::Running, ""), true);
        mirror(&mut status, &Seen::Unknown, true);
        assert_eq!((status.current_state, status.address.as_str()), (InstanceState::Unknown, "unix:/a"));
        mirror(&mut status, &present(Told::Running, ""), true);
        assert_eq!(status.current_state, InstanceState::Running);
    }
}
