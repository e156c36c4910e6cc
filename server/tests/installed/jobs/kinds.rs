//! One job of each kind that this version has, asked for as people do.

use aurochs_api::size::ByteSize;
use aurochs_server::resources::node::DiskSpec;
use aurochs_server::resources::volume::{Robustness, VolumeState};
use aurochs_server::resources::{Node, Object, Volume};
use serde_json::{Value, json};

use super::{bytes, log, phases, starter, user};
use crate::installation::{Installation, MIB, VOLUME};

#[tokio::test(flavor = "multi_thread")]
async fn what_people_ask_for_is_done_in_their_name() {
    let installation = Installation::with_volume(2, "nbd").await;
    installation.attach_by_api(false).await;
    purges(&installation).await;
    copies(&installation).await;
    grows(&installation).await;
    collects(&installation).await;
    trims(&installation).await;
    installation.stop().await;
}

async fn purges(installation: &Installation) {
    // All at once, so that there is something to do. The other setting excludes it.
    installation.set("auto-cleanup-system-generated-snapshot", "false").await;
    installation.set("disable-snapshot-purge", "true").await;
    for name in ["one", "two"] {
        installation.write(0, 8 * MIB, 1).await;
        installation.act("snapshotCreate", json!({"name": name})).await;
    }
    installation.write(0, MIB, 3).await;
    installation.act("snapshotDelete", json!({"name": "one"})).await;
    assert_eq!(installation.jobs("kind=purge").await, [] as [Value; 0]);
    installation.set("disable-snapshot-purge", "false").await;
    let ended = installation.until_job_ended("kind=purge").await;
    assert_eq!(
        (&ended["state"], &ended["object"], &ended["volume"]),
        (&json!("succeeded"), &json!(VOLUME), &json!(VOLUME))
    );
    assert!(bytes(&ended, "doneBytes") > 0 && ended["doneBytes"] == ended["plannedBytes"], "{ended}");
}

async fn copies(installation: &Installation) {
    let body = json!({
        "name": "copy", "size": (64 * MIB).to_string(), "numberOfReplicas": 1, "frontend": "nbd",
        "dataSource": format!("vol://{VOLUME}"),
    });
    installation.call("POST", "/v1/volumes", body).await;
    let ended = installation.until_job_ended("kind=clone").await;
    assert_eq!((&ended["state"], &ended["volume"]), (&json!("succeeded"), &json!("copy")), "{ended}");
    assert_eq!(starter(&ended), (&user().0, &user().1));
    assert!(bytes(&ended, "doneBytes") >= 8 * MIB && ended["doneBytes"] == ended["plannedBytes"], "{ended}");
    assert!(phases(&ended).contains(&"copying"), "{ended}");
}

async fn grows(installation: &Installation) {
    installation.act("expand", json!({"size": (96 * MIB).to_string()})).await;
    let ended = installation.until_job_ended("kind=expansion").await;
    assert_eq!((&ended["state"], starter(&ended)), (&json!("succeeded"), (&user().0, &user().1)), "{ended}");

    // Without room it waits, and can be cancelled.
    let store = installation.store();
    let reserve = |node: &mut Object<Node>| {
        let keep_all = |disk: &mut DiskSpec| disk.storage_reserved = ByteSize(1 << 60);
        node.spec.disks.values_mut().for_each(keep_all);
    };
    store.modify::<Node>("node-1", reserve).await.unwrap();
    let wish = |volume: &mut Object<Volume>| volume.spec.size = ByteSize(256 * MIB);
    store.modify::<Volume>(VOLUME, wish).await.unwrap();
    let waiting = |job: &Value| job["state"] == "running" && job["cancellable"] == true;
    let job = installation.until_job("kind=expansion", "waits", waiting).await;
    installation
        .call("POST", job["actions"]["cancel"].as_str().unwrap().strip_prefix("http://manager").unwrap(), json!({}))
        .await;
    let ended = installation.until_job_ended("kind=expansion").await;
    assert_eq!((&ended["state"], &ended["cancelAskedBy"]), (&json!("cancelled"), &json!("admin")), "{ended}");
    assert_eq!(store.get::<Volume>(VOLUME).await.unwrap().spec.size, ByteSize(96 * MIB));
    let free = |node: &mut Object<Node>| {
        node.spec.disks.values_mut().for_each(|disk| disk.storage_reserved = ByteSize::ZERO);
    };
    store.modify::<Node>("node-1", free).await.unwrap();
}

async fn collects(installation: &Installation) {
    let made = installation.call("POST", "/v1/supportbundles", json!({"description": "slow"})).await;
    let ended = installation.until_job_ended("kind=supportBundle").await;
    assert_eq!((&ended["state"], &ended["object"]), (&json!("succeeded"), &made["name"]), "{ended}");
    assert_eq!(starter(&ended), (&user().0, &user().1));
    assert!(bytes(&ended, "doneBytes") > 0);
}

/// There is nothing mounted, which is an answer and a job that failed.
async fn trims(installation: &Installation) {
    let (status, _) =
        installation.answer("POST", &format!("/v1/volumes/{VOLUME}?action=trimFilesystem"), json!({})).await;
    assert_eq!(status, 409);
    let ended = installation.until_job_ended("kind=trim").await;
    assert_eq!((&ended["state"], starter(&ended)), (&json!("failed"), (&user().0, &user().1)), "{ended}");
    assert!(ended["nextStep"].as_str().unwrap().contains("Mount"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_emptied_as_one_job() {
    let installation = Installation::start(3).await;
    installation.create(2, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    installation.write(0, 8 * MIB, 5).await;
    let leaving = installation.replicas().await.into_iter().find(|one| one.spec.node_id != "node-1").unwrap();
    let node = leaving.spec.node_id.clone();
    let body = json!({"allowScheduling": false, "evictionRequested": true});
    installation.call("PUT", &format!("/v1/nodes/{node}"), body).await;
    let ended = installation.until_job_ended("kind=evacuation").await;
    assert_eq!((&ended["state"], &ended["object"], &ended["node"]), (&json!("succeeded"), &json!(node), &json!(node)));
    assert_eq!(starter(&ended), (&user().0, &user().1));
    assert_eq!(ended["doneBytes"], ended["plannedBytes"], "{ended}");
    assert!(log(&ended).contains(leaving.name()), "{ended}");
    assert!(installation.replicas().await.iter().all(|replica| replica.spec.node_id != node));
    let rebuild = installation.jobs("kind=rebuild").await.remove(0);
    assert!(rebuild["startedBy"].as_str().unwrap().contains(leaving.name()), "{rebuild}");
    let volume = installation.store().get::<Volume>(VOLUME).await.unwrap();
    assert_eq!((volume.status.state, volume.status.robustness), (VolumeState::Attached, Robustness::Healthy));
    installation.stop().await;
}
