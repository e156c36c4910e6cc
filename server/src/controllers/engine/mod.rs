//! Engines: starts them with a new epoch, follows what they tell, passes on who should be rebuilt, stops them.
//!
//! An engine that runs is never restarted from here, whatever the store says: it is adopted. An engine that ended is
//! not started again by itself either: the volume controller first takes the volume down, then up again.
//!
//! Invariant: an engine that is not seen counts as stopped only where a person took its node away. Silence proves nothing.

mod follow;
pub(super) mod membership;
mod refusals;
mod start;
pub(crate) mod told;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aurochs_engine::grpc::instance_v1::InstanceStopRequest;
use tokio::task::JoinHandle;

use self::refusals::Refusals;
use super::instance_manager::runs_as;
use super::node::given_up;
use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::{Answering, InstanceChange, Seen, rpc, within};
use crate::resources::engine::{EngineStatus, InstanceState, RebuildPace};
use crate::resources::{Engine, Object};

/// Time an engine gets to drain and flush to slow disks before it is killed, which would cost a reconcile.
const STOP_GRACE_SECONDS: u32 = 120;
const STOP_TIMEOUT: Duration = Duration::from_secs(STOP_GRACE_SECONDS as u64 + 15);

/// Exit code of an engine that found no replica with all data.
const NO_USABLE_REPLICA: i32 = 61;

/// How soon to look again at an engine whose node has not been heard since the manager started.
const NOT_HEARD_YET_PAUSE: Duration = Duration::from_millis(500);

struct Engines {
    context: Context,
    queue: WorkQueue,
    /// The followed engines, by name.
    followers: Mutex<HashMap<String, Follower>>,
    refusals: Refusals,
}

struct Follower {
    address: String,
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keys are engine names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let engines = Engines {
        context: context.clone(),
        queue: queue.clone(),
        followers: Mutex::default(),
        refusals: Refusals::default(),
    };
    vec![
        runtime::feed_from_store::<Engine>(&context.store, &queue, |engine| vec![engine.name().to_owned()]),
        runtime::feed_from_instances(&context.instances, &queue, |change| match change {
            InstanceChange::Instance { name, .. } => vec![name.clone()],
            InstanceChange::Node(_) => Vec::new(),
        }),
        runtime::feed_from_nodes::<Engine>(&context.store, &context.instances, &queue, |engine, node| {
            engine.spec.node_id == node
        }),
        given_up::feed::<Engine>(&context.store, &queue, |engine, node| engine.spec.node_id == node),
        runtime::feed_from_store::<crate::resources::Replica>(&context.store, &queue, |replica| {
            vec![replica.spec.engine_name.clone()]
        }),
        runtime::resync::<Engine>(&context.store, &queue, runtime::RESYNC),
        runtime::run(Arc::new(engines), queue),
    ]
}

impl Controller for Engines {
    const NAME: &'static str = "engine";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let Some(engine) = self.context.store.find::<Engine>(name).await? else {
            self.unfollow(name);
            self.refusals.forget_engine(name);
            return Ok(Next::Wait);
        };
        let node = &engine.spec.node_id;
        if engine.is_deleting() {
            let is_there = !node.is_empty() && self.context.instances.see(node, name) != Seen::Absent;
            if is_there && !given_up::is(&self.context, node).await? {
                self.stop(&engine).await?;
            }
            self.context.store.remove_finalizer::<Engine>(name).await?;
            return Ok(Next::Wait);
        }
        if node.is_empty() {
            return Ok(Next::Wait);
        }
        if self.context.instances.answering(node) == Answering::NotYet {
            // A manager that has just started concludes nothing from its own ignorance.
            return Ok(Next::After(NOT_HEARD_YET_PAUSE));
        }
        let seen = self.context.instances.see(node, name);
        let seen = match (engine.spec.desire_state, seen) {
            (InstanceState::Running, Seen::Absent) if engine.status.current_state == InstanceState::Stopped => {
                self.start(&engine).await?
            }
            (InstanceState::Stopped, Seen::Present(_)) => {
                self.stop(&engine).await?;
                Seen::Absent
            }
            // Its epoch is fenced off by the next engine's, should the machine run on after all.
            (_, Seen::Unknown) if given_up::is(&self.context, node).await? => Seen::Absent,
            (_, seen) => seen,
        };
        let wished_running = engine.spec.desire_state == InstanceState::Running;
        let change = |status: &mut EngineStatus| {
            status.owner_id = self.context.owner.to_string();
            mirror(status, &seen, wished_running);
            if let Some(runs) = runs_as(status.current_state, &engine.spec.image, &engine.spec.node_id) {
                (status.current_image, status.instance_manager_name) = runs;
            }
        };
        let engine = self.context.store.modify_status::<Engine>(name, change).await?;
        self.follow_if_running(&engine, &seen);
        if engine.status.current_state == InstanceState::Running && wished_running {
            return membership::settle(&self.context, &self.refusals, &engine).await;
        }
        self.refusals.forget_engine(name);
        Ok(Next::Wait)
    }
}

impl Engines {
    async fn start(&self, engine: &Object<Engine>) -> Result<Seen, Error> {
        match start::start(&self.context, engine).await {
            Ok(instance) => {
                let message = format!("Engine {} starts on {}.", engine.name(), engine.spec.node_id);
                self.emit(engine, Reason::Start, EventType::Normal, &message);
                Ok(Seen::Present(Box::new(self.context.instances.put(&engine.spec.node_id, instance))))
            }
            // Nobody answered, or the store did not: this start may still come about.
            Err(Error::Client(error)) if error.is_unreachable() => Err(error.into()),
            Err(error @ Error::Store(_)) => Err(error),
            // A refusal stands until the volume controller asks again, perhaps with other replicas.
            Err(error) => {
                tracing::warn!(engine = engine.name(), %error, "an engine could not be started");
                self.emit(engine, Reason::FailedStarting, EventType::Warning, &error.to_string());
                let failed = aurochs_engine::grpc::instance_v1::Instance {
                    name: engine.name().to_owned(),
                    state: aurochs_engine::grpc::instance_v1::InstanceState::Error.into(),
                    error: error.to_string(),
                    ..Default::default()
                };
                Ok(Seen::Present(Box::new(failed)))
            }
        }
    }

    async fn stop(&self, engine: &Object<Engine>) -> Result<(), Error> {
        let (name, node) = (engine.name(), &engine.spec.node_id);
        self.unfollow(name);
        let request = InstanceStopRequest { name: name.to_owned(), grace_seconds: STOP_GRACE_SECONDS };
        let stopped = self.context.clients.manager(node)?.instance_stop(within(STOP_TIMEOUT, request)).await;
        let stopped = stopped.map_err(rpc(format!("stopping engine {name} on {node}")));
        if let Err(error) = &stopped
            && !error.is_unreachable()
        {
            self.emit(engine, Reason::FailedStopping, EventType::Warning, &error.to_string());
        }
        stopped?;
        self.emit(engine, Reason::Stop, EventType::Normal, &format!("Engine {name} has stopped on {node}."));
        self.context.instances.forget(node, name);
        Ok(())
    }

    fn emit(&self, engine: &Object<Engine>, reason: Reason, kind: EventType, message: &str) {
        self.context.events.emit(&ObjectRef::from(engine), reason, kind, message);
    }

    fn follow_if_running(&self, engine: &Object<Engine>, seen: &Seen) {
        let address = match seen {
            Seen::Present(instance) if seen.state() == InstanceState::Running => &instance.address,
            _ => return self.unfollow(engine.name()),
        };
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        let followed = followers.get(engine.name());
        if followed.is_some_and(|follower| &follower.address == address && !follower.task.is_finished()) {
            return;
        }
        let task = follow::follow(self.context.clone(), self.queue.clone(), engine.metadata.clone(), address.clone());
        let follower = Follower { address: address.clone(), task: tokio::spawn(task) };
        if let Some(former) = followers.insert(engine.name().to_owned(), follower)
            && former.address != *address
        {
            self.context.clients.forget_engine(&former.address);
        }
    }

    fn unfollow(&self, name: &str) {
        let followed = self.followers.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(follower) = followed {
            self.context.clients.forget_engine(&follower.address);
        }
    }
}

/// What the process table says. Whether a process that runs serves its volume already, only the engine itself can
/// tell: `Running` is written by its follower.
fn mirror(status: &mut EngineStatus, seen: &Seen, wished_running: bool) {
    let before = status.current_state;
    let next = match seen.state() {
        InstanceState::Running if before == InstanceState::Running => InstanceState::Running,
        // An engine that told of its failure stays failed, although its process has not ended yet.
        InstanceState::Running if before == InstanceState::Error && wished_running => InstanceState::Error,
        InstanceState::Running => InstanceState::Starting,
        InstanceState::Stopped if wished_running && before != InstanceState::Stopped => InstanceState::Error,
        state => state,
    };
    status.current_state = next;
    status.started = next == InstanceState::Running;
    status.starting = next == InstanceState::Starting;
    match seen {
        Seen::Present(instance) => {
            status.address.clone_from(&instance.address);
            if matches!(seen.state(), InstanceState::Error | InstanceState::Stopped) {
                status.cause.clone_from(&instance.error);
            }
            status.no_usable_replica = instance.exit_code == NO_USABLE_REPLICA;
        }
        Seen::Absent if next == InstanceState::Error && status.cause.is_empty() => {
            "its process is gone".clone_into(&mut status.cause);
        }
        Seen::Absent if next == InstanceState::Stopped => status.no_usable_replica = false,
        Seen::Absent | Seen::Unknown => {}
    }
    if matches!(next, InstanceState::Stopped | InstanceState::Error) {
        clear_what_only_a_running_engine_has(status);
    }
}

fn clear_what_only_a_running_engine_has(status: &mut EngineStatus) {
    status.address.clear();
    status.endpoint.clear();
    status.nbd_uri.clear();
    status.frontend_in_use.clear();
    status.replica_mode_map.clear();
    status.replica_transition_time_map.clear();
    status.current_replica_address_map.clear();
    status.rebuild_status.clear();
    status.reconcile_regions_left = 0;
    status.purge_status.clear();
    status.mounted_at.clear();
    status.turned_read_only.clear();
    status.exclusive_work.clear();
    status.is_expanding = false;
    (status.clone, status.hash, status.restore) = (None, None, None);
    status.backup_status.clear();
    status.restore_status.clear();
    status.rebuild_pace = RebuildPace::default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_engine::grpc::instance_v1::{Instance, InstanceState as Told};

    fn present(state: Told) -> Seen {
        Seen::Present(Box::new(Instance { state: state.into(), address: "unix:/e".into(), ..Instance::default() }))
    }

    #[test]
    fn a_running_process_is_starting_until_the_engine_itself_says_more() {
        let mut status = EngineStatus::default();
        mirror(&mut status, &present(Told::Running), true);
        assert_eq!(status.current_state, InstanceState::Starting);
        status.current_state = InstanceState::Running;
        mirror(&mut status, &present(Told::Running), true);
        assert_eq!(status.current_state, InstanceState::Running);
    }

    #[test]
    fn an_engine_that_vanishes_is_an_error_and_offers_nothing() {
        let mut status =
            EngineStatus { current_state: InstanceState::Running, endpoint: "/dev/x".into(), ..Default::default() };
        mirror(&mut status, &Seen::Absent, true);
        assert_eq!(status.current_state, InstanceState::Error);
        assert!(status.endpoint.is_empty() && !status.cause.is_empty());
        mirror(&mut status, &Seen::Absent, false);
        assert_eq!(status.current_state, InstanceState::Stopped);
    }

    #[test]
    fn a_silent_instance_manager_does_not_take_the_endpoint_away() {
        let mut status =
            EngineStatus { current_state: InstanceState::Running, endpoint: "/dev/x".into(), ..Default::default() };
        mirror(&mut status, &Seen::Unknown, true);
        assert_eq!((status.current_state, status.endpoint.as_str()), (InstanceState::Unknown, "/dev/x"));
    }

    /// Silence alone never stops an engine; a person who takes its node away does.
    #[tokio::test]
    async fn an_engine_ends_with_its_node_and_not_with_its_silence() {
        use crate::controllers::bench;
        use crate::resources::Node;
        use crate::resources::engine::EngineSpec;
        use crate::resources::node::NodeSpec;

        for wished in [InstanceState::Stopped, InstanceState::Running] {
            let (context, _directory) = bench::context(&["node-1"]).await;
            let (followers, refusals) = (Mutex::default(), Refusals::default());
            let engines = Engines { context: context.clone(), queue: WorkQueue::default(), followers, refusals };
            context.instances.lost("node-1", "gone");
            let store = &context.store;
            store.create(&Object::<Node>::new("node-1", NodeSpec::default())).await.unwrap();
            let spec = EngineSpec { node_id: "node-1".into(), desire_state: wished, ..EngineSpec::default() };
            store.create(&Object::<Engine>::new("v-e-0", spec)).await.unwrap();
            let running = |status: &mut EngineStatus| status.current_state = InstanceState::Running;
            store.modify_status::<Engine>("v-e-0", running).await.unwrap();
            let state = async || {
                engines.reconcile("v-e-0").await.unwrap();
                store.get::<Engine>("v-e-0").await.unwrap().status.current_state
            };
            assert_eq!(state().await, InstanceState::Unknown);
            store.delete::<Node>("node-1").await.unwrap();
            let ended = match wished {
                InstanceState::Running => InstanceState::Error,
                _ => InstanceState::Stopped,
            };
            assert_eq!(state().await, ended);
            store.remove_finalizer::<Node>("node-1").await.unwrap();
            assert_eq!(state().await, ended);
            // It is back after all: then it says what runs.
            context.instances.replace("node-1", "1", 8, vec![Instance { name: "v-e-0".into(), ..Instance::default() }]);
            assert!(!given_up::is(&context, "node-1").await.unwrap());
        }
    }
}
