//! What was said beforehand is what the controllers then do.

use std::collections::{BTreeMap, BTreeSet};

use aurochs_api::size::ByteSize;
use aurochs_server::resources::volume::{Frontend, VolumeSpec, VolumeState};
use aurochs_server::resources::{Node, Object, Replica, Volume};
use serde_json::{Value, json};

use crate::installation::{Installation, MIB, SIZE, VOLUME};
use crate::nbd::Nbd;

/// Volume to the nodes of its replicas.
type Places = BTreeMap<String, BTreeSet<String>>;

async fn places(installation: &Installation) -> Places {
    let mut places = Places::new();
    for replica in installation.store().list::<Replica>().await.unwrap() {
        places.entry(replica.spec.volume_name).or_default().insert(replica.spec.node_id);
    }
    places
}

/// As the answer says that they will be.
fn foretold(before: &Places, answer: &Value) -> Places {
    let mut places = before.clone();
    for volume in answer["volumes"].as_array().unwrap() {
        let nodes = places.get_mut(volume["name"].as_str().unwrap()).unwrap();
        for one in volume["moves"].as_array().unwrap() {
            match one["kind"].as_str().unwrap() {
                "add" => assert!(nodes.insert(one["toNode"].as_str().unwrap().to_owned())),
                "remove" => assert!(nodes.remove(one["fromNode"].as_str().unwrap())),
                kind => panic!("{kind}"),
            }
        }
    }
    places
}

async fn are_whole(installation: &Installation) -> bool {
    let replicas = installation.store().list::<Replica>().await.unwrap();
    replicas.iter().all(|one| !one.spec.healthy_at.is_empty() && !one.spec.has_failed() && !one.is_deleting())
}

/// Each disk's promised bytes, by node.
async fn promised(installation: &Installation) -> BTreeMap<String, u64> {
    let mut promised = BTreeMap::new();
    for replica in installation.store().list::<Replica>().await.unwrap() {
        *promised.entry(replica.spec.node_id).or_insert(0) += replica.spec.volume_size.bytes();
    }
    promised
}

#[tokio::test(flavor = "multi_thread")]
async fn emptying_a_disk_does_what_was_said_before() {
    let installation = Installation::start(3).await;
    // What other programs do to the disk must not decide.
    for (node, reserved) in [("node-1", 0), ("node-2", 0), ("node-3", 1 << 30)] {
        let change = |node: &mut Object<Node>| {
            node.spec.disks.values_mut().for_each(|disk| disk.storage_reserved = ByteSize(reserved));
        };
        installation.store().modify::<Node>(node, change).await.unwrap();
    }
    installation.create(2, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    let uri = installation.engine().await.status.nbd_uri;
    tokio::task::block_in_place(|| Nbd::connect(&uri).unwrap().write(0, &vec![7; 8 << 20]).unwrap());
    installation.detach().await;
    // Attached anew, its engine tells at once what it has.
    installation.attach("node-1").await;
    installation.until_healthy().await;
    installation
        .until("the size of its data is known", async |_| {
            installation.engine().await.status.actual_size.bytes() >= 8 * MIB
        })
        .await;
    let spec =
        VolumeSpec { size: ByteSize(SIZE), number_of_replicas: 1, frontend: Frontend::Nbd, ..VolumeSpec::default() };
    installation.store().create(&Object::<Volume>::new("alone", spec)).await.unwrap();
    installation
        .until("the other volume is there", async |store| {
            let alone = store.get::<Volume>("alone").await.unwrap();
            alone.status.state == VolumeState::Detached && places(&installation).await.contains_key("alone")
        })
        .await;

    let before = places(&installation).await;
    let emptied = before["alone"].first().unwrap().clone();
    let node = installation.store().get::<Node>(&emptied).await.unwrap();
    let disk = node.spec.disks.keys().next().unwrap().clone();
    let question = format!("/v1/whatif?change=evictDisk&node={emptied}&disk={disk}");
    let answer = installation.call("GET", &question, Value::Null).await;
    assert_eq!(answer["verdict"], "fine", "{answer}");
    let expected = foretold(&before, &answer);
    assert!(expected.values().all(|nodes| !nodes.contains(&emptied)), "{answer}");
    assert_eq!(places(&installation).await, before, "asking moves nothing");

    let evict = |node: &mut Object<Node>| {
        let disk = node.spec.disks.values_mut().next().unwrap();
        (disk.allow_scheduling, disk.eviction_requested) = (false, true);
    };
    installation.store().modify::<Node>(&emptied, evict).await.unwrap();
    installation
        .until("all is where it was said to be", async |_| {
            places(&installation).await == expected && are_whole(&installation).await
        })
        .await;
    for disk in answer["disks"].as_array().unwrap() {
        let promised = promised(&installation).await.get(disk["node"].as_str().unwrap()).copied().unwrap_or_default();
        assert_eq!(disk["scheduledAfter"], promised, "{disk}");
    }
    if before[VOLUME].contains(&emptied) {
        let rebuilt = installation.engine().await.status.rebuild_status;
        let copied: u64 = rebuilt.values().map(|rebuild| rebuild.planned_bytes.bytes()).sum();
        let told = answer["bytesToCopy"].as_u64().unwrap();
        assert!(copied > 0 && copied <= told && told - copied <= 8 * MIB, "{copied} were copied, {told} were told");
    }
    // Nothing is left to happen.
    let again = installation.call("GET", &question, Value::Null).await;
    assert_eq!((&again["volumes"], &again["verdict"]), (&json!([]), &json!("fine")));
    installation.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_replicas_does_what_was_said_before() {
    let installation = Installation::start(3).await;
    installation.create(2, |_| {}).await;
    installation.attach("node-1").await;
    installation.until_healthy().await;
    for (count, verdict) in [(3, "fine"), (1, "fine"), (2, "fine"), (4, "incomplete")] {
        let before = places(&installation).await;
        let question = format!("/v1/whatif?change=replicaCount&volume={VOLUME}&replicaCount={count}");
        let answer = installation.call("GET", &question, Value::Null).await;
        assert_eq!(answer["verdict"], verdict, "{answer}");
        let told = answer["volumes"][0]["healthyAfter"].as_u64().unwrap();
        let action = format!("/v1/volumes/{VOLUME}?action=updateReplicaCount");
        installation.call("POST", &action, json!({"replicaCount": count})).await;
        installation
            .until("as many replicas are whole", async |_| {
                let whole = installation.replicas().await.len() as u64 == told;
                whole && are_whole(&installation).await
            })
            .await;
        // From two nodes to three there is one way, and from one to two there are two: where, nobody can say of disks
        // that other programs write to.
        if count == 3 {
            assert_eq!(places(&installation).await, foretold(&before, &answer));
        }
        if count == 4 {
            let message = answer["volumes"][0]["causes"][0]["message"].as_str().unwrap().to_owned();
            installation
                .until_volume("the volume tells the same", |volume| {
                    volume.status.causes.iter().any(|cause| cause.message == message)
                })
                .await;
        }
    }
    installation.stop().await;
}
