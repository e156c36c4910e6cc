//! Where replicas are and stay, with several nodes: eviction, data locality, balance, replacement.

mod observer;

use aurochs_api::cause::CauseCode;
use aurochs_api::condition::ConditionStatus;
use aurochs_server::resources::node::{DiskSpec, READY};
use aurochs_server::resources::volume::{
    CONDITION_OFFLINE_REBUILDING, DataLocality, Override, ReplicaAutoBalance, Robustness, VolumeSpec, VolumeState,
};
use aurochs_server::resources::volume_attachment::AttacherType;
use aurochs_server::resources::{Engine, Node, Object, Replica, Volume, VolumeAttachment, condition};

use crate::installation::{Installation, VOLUME};

impl Installation {
    async fn change_node(&self, name: &str, change: impl FnMut(&mut Object<Node>) + Send) {
        self.store().modify::<Node>(name, change).await.unwrap();
    }

    /// Gives a node another disk and waits until it can be used.
    async fn add_disk(&self, node: &str, disk: &str) {
        let path = self.path().join(format!("{node}-{disk}"));
        std::fs::create_dir(&path).unwrap();
        let path = path.to_string_lossy().into_owned();
        let spec = DiskSpec { path, allow_scheduling: true, ..DiskSpec::default() };
        self.change_node(node, |node| drop(node.spec.disks.insert(disk.to_owned(), spec.clone()))).await;
        self.until("the new disk is ready", async |store| {
            let node = store.get::<Node>(node).await.unwrap();
            node.status.disk_status.get(disk).is_some_and(|disk| condition::is_true(&disk.conditions, READY))
        })
        .await;
    }

    /// Waits until as many replicas as given are on the nodes given, all of them whole, and no other is left.
    async fn until_replicas_are_on(&self, nodes: &[&str]) -> Vec<Object<Replica>> {
        self.until(&format!("its replicas are on {nodes:?}"), async |_| {
            let replicas = self.replicas().await;
            let mut on: Vec<&str> = replicas.iter().map(|replica| replica.spec.node_id.as_str()).collect();
            on.sort_unstable();
            on == nodes && replicas.iter().all(|replica| !replica.spec.healthy_at.is_empty() && !replica.is_deleting())
        })
        .await;
        self.replicas().await
    }

    async fn change(&self, change: impl Fn(&mut VolumeSpec) + Send + Sync) {
        self.store().modify::<Volume>(VOLUME, |volume| change(&mut volume.spec)).await.unwrap();
    }

    async fn tickets(&self) -> Vec<AttacherType> {
        let attachment = self.store().get::<VolumeAttachment>(VOLUME).await.unwrap();
        attachment.spec.attachment_tickets.into_values().map(|ticket| ticket.kind).collect()
    }

    async fn scheduled(&self) -> (ConditionStatus, String, String) {
        let volume = self.store().get::<Volume>(VOLUME).await.unwrap();
        let scheduled = condition::find(&volume.status.conditions, "Scheduled").unwrap().clone();
        (scheduled.status, scheduled.reason, scheduled.message)
    }
}

fn rebuilding_is_off(volume: &Object<Volume>) -> bool {
    volume.status.causes.iter().any(|cause| cause.code == CauseCode::RebuildWaiting)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_emptied_hands_its_replica_to_another_one() {
    let installation = Installation::start(1).await;
    installation.create(1, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    let before = installation.replicas().await.remove(0);

    // Nowhere to go: it says so and stays.
    let evict = |node: &mut Object<Node>| {
        let disk = node.spec.disks.values_mut().next().unwrap();
        (disk.allow_scheduling, disk.eviction_requested) = (false, true);
    };
    installation.change_node("node-1", evict).await;
    let stuck = installation
        .until_volume("it says that there is no place", |volume| {
            volume.status.causes.iter().any(|cause| cause.code == CauseCode::Evicting)
        })
        .await;
    let cause = stuck.status.causes.iter().find(|cause| cause.code == CauseCode::Evicting).unwrap();
    assert!(
        cause.details.iter().any(|detail| detail.disk.starts_with("default-disk-") && !detail.rule.is_empty()),
        "{cause:?}"
    );

    let observer = installation.observe();
    installation.add_disk("node-1", "second").await;
    installation
        .until("its replica is on the other disk", async |_| {
            let replicas = installation.replicas().await;
            replicas.len() == 1 && replicas[0].spec.disk_id != before.spec.disk_id
        })
        .await;
    let healed = installation.until_volume("it is all well", |volume| volume.status.causes.is_empty()).await;
    assert_eq!(healed.status.robustness, Robustness::Healthy);
    let extremes = observer.extremes();
    assert_eq!((extremes.fewest_whole, extremes.most), (1, 2), "replacement first, and one at a time");
    assert!(!std::path::Path::new(&before.spec.data_path()).exists(), "the data on the emptied disk is gone");
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_emptied_brings_a_detached_volume_up_and_lets_it_go() {
    let installation = Installation::start(3).await;
    installation.create(2, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    installation.detach().await;
    let leaving = installation.replicas().await[0].spec.node_id.clone();
    installation
        .change_node(&leaving, |node| (node.spec.allow_scheduling, node.spec.eviction_requested) = (false, true))
        .await;
    installation
        .until("the volume is attached for it", async |_| {
            installation.tickets().await == [AttacherType::VolumeEvictionController]
        })
        .await;
    let others: Vec<&str> = ["node-1", "node-2", "node-3"].into_iter().filter(|node| *node != leaving).collect();
    installation.until_replicas_are_on(&others).await;
    let volume = installation.until_detached().await;
    assert!(installation.tickets().await.is_empty());
    assert_eq!(volume.spec.node_id, "");

    // Cancelled: nothing moves back, and no replica says any more that it should leave.
    installation
        .change_node(&leaving, |node| (node.spec.allow_scheduling, node.spec.eviction_requested) = (true, false))
        .await;
    installation.attach(&leaving).await;
    installation.until_healthy().await;
    let replicas = installation.until_replicas_are_on(&others).await;
    assert!(replicas.iter().all(|replica| !replica.spec.eviction_requested));
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_gets_its_share_with_best_effort_balance() {
    let mut installation = Installation::start(2).await;
    installation
        .create(3, |spec| {
            spec.replica_soft_anti_affinity = Override::Enabled;
            spec.replica_auto_balance = ReplicaAutoBalance::BestEffort;
        })
        .await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    let observer = installation.observe();
    installation.start_manager(3).await;
    installation.until_replicas_are_on(&["node-1", "node-2", "node-3"]).await;
    let volume = installation.until_healthy().await;
    assert_eq!(volume.status.current_node_id, "node-1");
    drop(observer);
    // Nothing asks for more: the same replicas are there after further looks at the volume.
    let before: Vec<String> = installation.replicas().await.iter().map(|replica| replica.name().to_owned()).collect();
    for reserved in [1, 2, 3] {
        installation
            .change_node("node-3", |node| {
                let disk = node.spec.disks.values_mut().next().unwrap();
                disk.storage_reserved = aurochs_api::size::ByteSize(disk.storage_reserved.bytes() + reserved);
            })
            .await;
    }
    installation.set("replica-replenishment-wait-interval", "601").await;
    installation.until_healthy().await;
    let after: Vec<String> = installation.replicas().await.iter().map(|replica| replica.name().to_owned()).collect();
    assert_eq!(after, before);
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_follows_its_user_with_best_effort_locality() {
    let installation = Installation::start(3).await;
    installation.create(1, |spec| spec.data_locality = DataLocality::BestEffort).await;
    assert!(installation.replicas().await.iter().all(|replica| !replica.spec.is_placed()), "it waits for its node");
    assert_eq!(installation.scheduled().await.0, ConditionStatus::True);
    installation.attach("node-2").await;
    installation.until_healthy().await;
    installation.until_replicas_are_on(&["node-2"]).await;
    installation.detach().await;
    let observer = installation.observe();
    installation.attach("node-3").await;
    installation.until_replicas_are_on(&["node-3"]).await;
    assert_eq!(observer.extremes().fewest_whole, 1);

    // Where there is no room, the volume says so and is used all the same.
    installation.detach().await;
    installation.change_node("node-1", |node| node.spec.allow_scheduling = false).await;
    installation.attach("node-1").await;
    installation
        .until("it says that there is no local place", async |_| {
            installation.scheduled().await.1 == "LocalReplicaSchedulingFailure"
        })
        .await;
    let (status, _, message) = installation.scheduled().await;
    assert_eq!(status, ConditionStatus::False);
    assert!(message.contains("nodes are unavailable"), "{message}");
    installation.until_healthy().await;
    installation.until_replicas_are_on(&["node-3"]).await;
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stays_away_too_long_is_done_without() {
    let mut installation = Installation::start(3).await;
    installation.set("replica-replenishment-wait-interval", "3600").await;
    installation.create(2, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    let replicas = installation.replicas().await;
    let away = replicas.iter().map(|replica| replica.spec.node_id.clone()).find(|node| node != "node-1").unwrap();
    installation.freeze_node(&away).await;
    let waiting = installation
        .until_volume("it waits for the node", |volume| {
            volume.status.causes.iter().any(|cause| cause.code == CauseCode::NodeDown)
        })
        .await;
    assert_eq!(waiting.status.robustness, Robustness::Degraded);
    assert_eq!(installation.replicas().await.len(), 2, "nothing is made while it may come back");

    installation.set("replica-replenishment-wait-interval", "1").await;
    let third = ["node-2", "node-3"].into_iter().find(|node| *node != away).unwrap();
    installation
        .until("a whole replica is on the third node", async |_| {
            let replicas = installation.replicas().await;
            replicas.iter().any(|one| one.spec.node_id == third && !one.spec.healthy_at.is_empty())
        })
        .await;
    installation.until_healthy().await;
    installation.thaw();
    installation.until("the old one is gone", async |_| installation.replicas().await.len() == 2).await;
    installation.until_healthy().await;
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_degraded_detached_volume_is_rebuilt_if_it_may() {
    let installation = Installation::start(2).await;
    installation.create(2, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    installation.set("concurrent-replica-rebuild-per-node-limit", "0").await;
    let victim = installation.replicas().await[1].name().to_owned();
    installation.kill(&victim).await;
    installation.until_volume("its rebuild waits for the limit", rebuilding_is_off).await;
    installation.detach().await;
    installation.set("concurrent-replica-rebuild-per-node-limit", "5").await;
    assert!(installation.tickets().await.is_empty());

    installation.change(|spec| spec.offline_rebuilding = Override::Enabled).await;
    installation
        .until_volume("it is rebuilt without being used", |volume| {
            condition::is_true(&volume.status.conditions, CONDITION_OFFLINE_REBUILDING)
        })
        .await;
    installation
        .until("all replicas are whole", async |_| {
            let replicas = installation.replicas().await;
            replicas.len() == 2 && replicas.iter().all(|one| !one.spec.healthy_at.is_empty() && !one.spec.has_failed())
        })
        .await;
    installation
        .until_volume("it is let go", |volume| {
            let rebuilding = condition::is_true(&volume.status.conditions, CONDITION_OFFLINE_REBUILDING);
            volume.status.state == VolumeState::Detached && !rebuilding
        })
        .await;
    assert!(installation.tickets().await.is_empty());
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strictly_local_volume_is_used_where_its_data_is() {
    let installation = Installation::start(2).await;
    installation.create(1, |spec| spec.data_locality = DataLocality::StrictLocal).await;
    installation.attach("node-2").await;
    installation.until_healthy().await;
    let replica = installation.replicas().await.remove(0);
    assert_eq!((replica.spec.node_id.as_str(), replica.spec.hard_node_affinity.as_str()), ("node-2", "node-2"));
    installation.detach().await;
    installation.attach("node-1").await;
    installation
        .until("its ticket is refused", async |store| {
            let tickets = store.get::<VolumeAttachment>(VOLUME).await.unwrap();
            let mut told = tickets.status.attachment_ticket_statuses.values().flat_map(|status| &status.conditions);
            told.any(|condition| condition.message.contains("strictly local") && condition.message.contains("node-2"))
        })
        .await;
    let volume = installation.store().get::<Volume>(VOLUME).await.unwrap();
    assert_eq!((volume.status.state, volume.spec.node_id.as_str()), (VolumeState::Detached, ""));
    installation.attach("node-2").await;
    installation.until_healthy().await;
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_replica_with_all_data_outlives_its_deletion() {
    let installation = Installation::start(2).await;
    installation.create(1, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    installation.detach().await;
    let last = installation.replicas().await.remove(0);
    installation.store().delete::<Replica>(last.name()).await.unwrap();
    installation.attach("node-1").await;
    installation
        .until("another one has taken over", async |_| {
            let replicas = installation.replicas().await;
            replicas.len() == 1 && replicas[0].name() != last.name() && !replicas[0].spec.healthy_at.is_empty()
        })
        .await;
    installation.until_healthy().await;
    let engine = installation.store().get::<Engine>(&format!("{VOLUME}-e-0")).await.unwrap();
    assert!(engine.status.rebuild_status.values().any(|rebuild| rebuild.state == "complete"), "it was copied");
    installation.stop().await;
}
