//! From creation through losses to deletion.

use aurochs_api::condition::ConditionStatus;
use aurochs_server::resources::engine::InstanceState;
use aurochs_server::resources::replica::ReplicaSpec;
use aurochs_server::resources::volume::{Robustness, VolumeState};
use aurochs_server::resources::{Engine, InstanceManager, Volume, condition};
use aurochs_server::standalone::stop;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::installation::{Installation, VOLUME, directory_of};

#[tokio::test(flavor = "multi_thread")]
async fn from_creation_through_losses_to_deletion() {
    let mut installation = Installation::start(3).await;
    installation.create(3, |_| {}).await;
    let replicas = installation.replicas().await;
    let nodes: std::collections::BTreeSet<_> = replicas.iter().map(|replica| replica.spec.node_id.clone()).collect();
    assert_eq!(nodes.len(), 3, "the replicas share nodes");

    installation.attach("node-1").await;
    let volume = installation.until_healthy().await;
    assert_eq!(volume.status.current_node_id, "node-1");
    assert!(volume.status.causes.is_empty(), "{:?}", volume.status.causes);
    let engine = installation.engine().await;
    assert_eq!((volume.status.owner_id.as_str(), engine.status.owner_id.as_str()), ("node-1", "node-1"));
    assert!(!engine.status.endpoint.is_empty() && engine.status.epoch == 1, "{:?}", engine.status);
    assert!(replicas.iter().all(|replica| directory_of(&replica.spec).join("volume.meta").exists()));

    // A replica's process is killed: the volume goes on, says why it is degraded, and heals.
    installation.kill(replicas[0].name()).await;
    let degraded =
        installation.until_volume("it is degraded", |volume| volume.status.robustness == Robustness::Degraded).await;
    assert_eq!(degraded.status.state, VolumeState::Attached);
    let healed = installation.until_healthy().await;
    assert!(healed.status.causes.is_empty(), "{:?}", healed.status.causes);
    let same: Vec<_> = installation.replicas().await.iter().map(|replica| replica.name().to_owned()).collect();
    assert_eq!(same, replicas.iter().map(|replica| replica.name().to_owned()).collect::<Vec<_>>());

    // The manager goes and comes: nothing that runs is touched.
    let engine_name = engine.name().to_owned();
    let pid = installation.pid_of(&engine_name).await;
    installation.stop_manager().await;
    installation.start_manager(3).await;
    installation.until_healthy().await;
    assert_eq!(installation.pid_of(&engine_name).await, pid);
    assert_eq!(installation.engine().await.status.epoch, 1);

    // The engine is killed: the volume comes back by its ticket, under a new epoch.
    installation.kill(&engine_name).await;
    installation
        .until("a new epoch serves", async |store| {
            let engine = store.get::<Engine>(&engine_name).await.unwrap();
            engine.status.epoch == 2 && engine.status.started
        })
        .await;
    let volume = installation.until_healthy().await;
    assert_eq!(volume.status.current_node_id, "node-1");

    // Maintenance: the same ticket asks for no device, so the volume is detached and attached again.
    installation.attach_for_maintenance("node-1").await;
    installation.until_volume("it is in maintenance", |volume| volume.status.frontend_disabled).await;
    assert_eq!(installation.engine().await.status.endpoint, "");

    installation.detach().await;
    assert!(installation.engine().await.status.endpoint.is_empty());
    let specs: Vec<ReplicaSpec> = installation.replicas().await.into_iter().map(|replica| replica.spec).collect();
    installation.store().delete::<Volume>(VOLUME).await.unwrap();
    installation.until("it is gone", async |store| store.find::<Volume>(VOLUME).await.unwrap().is_none()).await;
    assert!(specs.iter().all(|spec| !directory_of(spec).exists()), "replica directories were left");
    assert!(installation.store().list::<Engine>().await.unwrap().is_empty());
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_a_place_says_why_and_the_volume_works_all_the_same() {
    let installation = Installation::start(2).await;
    installation.create(3, |_| {}).await;
    let volume =
        installation.until_volume("the scheduler has said why", |volume| !volume.status.causes.is_empty()).await;
    let cause = &volume.status.causes[0];
    assert!(cause.message.contains("node of its own") && !cause.next_step.is_empty(), "{cause:?}");
    // A detached volume may be used with what it has (allow-volume-creation-with-degraded-availability).
    assert!(condition::is_true(&volume.status.conditions, "Scheduled"));
    installation.attach("node-2").await;
    installation
        .until_volume("it counts as not scheduled", |volume| {
            condition::find(&volume.status.conditions, "Scheduled")
                .is_some_and(|scheduled| scheduled.status == ConditionStatus::False)
        })
        .await;
    installation
        .until_volume("it is attached and degraded", |volume| {
            volume.status.state == VolumeState::Attached && volume.status.robustness == Robustness::Degraded
        })
        .await;
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_was_stopped_and_comes_back_as_it_was() {
    let mut installation = Installation::start(1).await;
    installation.create(1, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    installation.stop_manager().await;
    let stopped = stop::stop(installation.path()).await.unwrap();
    assert_eq!((stopped.engines.len(), stopped.nodes.len()), (1, 1));
    installation.start_manager(1).await;
    installation
        .until("a new epoch serves", async |store| {
            let engine = store.get::<Engine>(&format!("{VOLUME}-e-0")).await.unwrap();
            engine.status.epoch == 2 && engine.status.started
        })
        .await;
    installation.until_healthy().await;
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_manager_that_is_killed_comes_back_and_finds_its_processes() {
    let installation = Installation::start(2).await;
    installation.create(2, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    let engine = format!("{VOLUME}-e-0");
    let engine_pid = installation.pid_of(&engine).await;
    let manager_of = async |node: &str| {
        let managers = installation.store().list::<InstanceManager>().await.unwrap();
        managers.into_iter().find(|manager| manager.spec.node_id == node).unwrap()
    };
    let first = manager_of("node-1").await.status.pid;
    kill(Pid::from_raw(first.try_into().unwrap()), Signal::SIGKILL).unwrap();
    installation
        .until("another instance manager serves node-1", async |_| {
            let now = manager_of("node-1").await.status;
            now.pid != 0 && now.pid != first && now.current_state == InstanceState::Running
        })
        .await;
    installation.until_healthy().await;
    assert_eq!(installation.pid_of(&engine).await, engine_pid);
    assert_eq!(installation.engine().await.status.epoch, 1);
    installation.stop().await;
}
