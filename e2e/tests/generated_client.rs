//! A client that was made from `/v1/schemas` alone leads a volume through its life, and does what else a script does.
//! Its methods fail when a schema does not tell of a field or a method, or a link or an action is not where it should be.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aurochs_e2e::{Installation, SchemaClient, device};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

async fn boot(installation: &Installation) -> SchemaClient {
    SchemaClient::boot(&format!("http://{}/v1", installation.address), &installation.password).await
}

fn name(base: &str) -> String {
    // /dev/longhorn is shared with whatever else runs on this machine.
    format!("{base}-{}", std::process::id())
}

/// The nodes that are ready, by name.
async fn ready_nodes(client: &SchemaClient) -> Vec<Value> {
    for node in ["node-1", "node-2", "node-3"] {
        client.until("node", node, "ready", |node| node["conditions"]["Ready"]["status"] == "True").await;
    }
    client.list("node").await
}

fn is_detached(volume: &Value) -> bool {
    volume["state"] == "detached"
}

fn is_healthy(volume: &Value) -> bool {
    volume["state"] == "attached" && volume["robustness"] == "healthy" && volume["controllers"][0]["endpoint"] != ""
}

fn endpoint(volume: &Value) -> String {
    volume["controllers"][0]["endpoint"].as_str().unwrap().to_owned()
}

/// One MiB of this byte at the device's beginning.
fn write(volume: &Value, byte: u8, installation: &Installation) {
    let pattern = installation.root.path().join("pattern");
    std::fs::write(&pattern, vec![byte; usize::try_from(MIB).unwrap()]).unwrap();
    let (from, to) = (format!("if={}", pattern.display()), format!("of={}", endpoint(volume)));
    device::run("dd", &[&from, &to, "bs=1M", "oflag=direct", "conv=fsync", "status=none"]);
}

fn holds(volume: &Value, byte: u8, installation: &Installation) -> bool {
    let found = installation.root.path().join("found");
    let (from, to) = (format!("if={}", endpoint(volume)), format!("of={}", found.display()));
    device::run("dd", &[&from, &to, "bs=1M", "count=1", "iflag=direct", "status=none"]);
    std::fs::read(found).unwrap().iter().all(|read| *read == byte)
}

/// The walkthrough of the volume page (W42) without the dashboard: create, attach, detach, expand, take a snapshot, make a
/// copy, change the number of replicas and the data locality, delete; the volume tells its endpoint and node.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_lives_by_what_the_schemas_tell() {
    let installation = Installation::start().await;
    let client = boot(&installation).await;
    let node = ready_nodes(&client).await[0]["name"].as_str().unwrap().to_owned();
    let name = name("told");

    let made = client.create("volume", json!({"name": name, "size": "64Mi"})).await;
    assert_eq!((&made["type"], &made["size"]), (&json!("volume"), &json!("67108864")));
    assert!(client.list("volume").await.iter().any(|volume| volume["id"] == *name));
    let volume = client.until("volume", &name, "detached", is_detached).await;
    assert_eq!(volume["numberOfReplicas"], 2, "the default that the schema advertises");
    client.act(&volume, "attach", json!({"hostId": node})).await;
    let volume = client.until("volume", &name, "attached and healthy", is_healthy).await;
    assert_eq!(
        (endpoint(&volume), &volume["controllers"][0]["hostId"]),
        (format!("/dev/longhorn/{name}"), &json!(node))
    );
    assert_eq!(volume["replicas"].as_array().unwrap().len(), 2);
    assert!(client.by_id("volumeAttachment", &name).await.unwrap()["attachments"].as_object().unwrap().len() == 1);

    let volume = snapshots(&client, volume, &installation).await;
    let volume = growth(&client, volume).await;
    let volume = replicas(&client, volume).await;
    copy(&client, &volume, &node, &installation).await;
    let volume = revert(&client, volume, &node, &installation).await;

    client.delete(&volume).await;
    client.until_gone("volume", &name).await;
    assert!(client.list("volume").await.is_empty());
}

/// Takes two with different content; the older one is deleted and purged.
async fn snapshots(client: &SchemaClient, volume: Value, installation: &Installation) -> Value {
    write(&volume, 1, installation);
    let first = client.act(&volume, "snapshotCreate", json!({"name": "first", "labels": {"why": "told"}})).await;
    assert_eq!((&first["type"], &first["name"]), (&json!("snapshot"), &json!("first")));
    assert_eq!(first["labels"]["why"], "told");
    write(&volume, 2, installation);
    client.act(&volume, "snapshotCreate", json!({"name": "second"})).await;
    write(&volume, 3, installation);
    let list = client.act(&volume, "snapshotList", json!({})).await;
    assert_eq!(names(&list), ["volume-head", "second", "first"]);
    let second = client.act(&volume, "snapshotGet", json!({"name": "second"})).await;
    assert_eq!((&second["parent"], &second["usercreated"]), (&json!("first"), &json!(true)));
    let resources = client.act(&volume, "snapshotCRList", json!({})).await;
    assert_eq!(resources["data"].as_array().unwrap().len(), 2);

    let volume = client.act(&volume, "snapshotDelete", json!({"name": "first"})).await;
    client.act(&volume, "snapshotPurge", json!({})).await;
    let id = volume["id"].as_str().unwrap();
    let is_purged = |volume: &Value| {
        let status = volume["purgeStatus"].as_array().map_or(&[][..], Vec::as_slice);
        !status.is_empty() && status.iter().all(|replica| replica["isPurging"] == false && replica["error"] == "")
    };
    let volume = client.until("volume", id, "purged", is_purged).await;
    let mut list = client.act(&volume, "snapshotList", json!({})).await;
    while names(&list).contains(&"first") {
        // A purge that began before the deletion leaves the work to the next one.
        let volume = client.until("volume", id, "purged", is_purged).await;
        list = client.act(&volume, "snapshotList", json!({})).await;
    }
    assert!(holds(&volume, 3, installation));
    volume
}

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

/// Grows while attached, the device with it.
async fn growth(client: &SchemaClient, volume: Value) -> Value {
    let size = (128 * MIB).to_string();
    client.act(&volume, "expand", json!({"size": size})).await;
    let id = volume["id"].as_str().unwrap();
    let has_grown = |volume: &Value| volume["controllers"][0]["size"] == *size && is_healthy(volume);
    let volume = client.until("volume", id, "larger", has_grown).await;
    assert_eq!(volume["size"], *size);
    assert_eq!(device::run("blockdev", &["--getsize64", &endpoint(&volume)]).trim(), size);
    volume
}

/// One replica more, and where they should be.
async fn replicas(client: &SchemaClient, volume: Value) -> Value {
    let volume = client.act(&volume, "updateReplicaCount", json!({"replicaCount": 3})).await;
    assert_eq!(volume["numberOfReplicas"], 3);
    let id = volume["id"].as_str().unwrap();
    let has_three = |volume: &Value| {
        let replicas = volume["replicas"].as_array().unwrap();
        replicas.iter().filter(|replica| replica["mode"] == "RW").count() == 3 && is_healthy(volume)
    };
    let volume = client.until("volume", id, "healthy with three replicas", has_three).await;
    let volume = client.act(&volume, "updateDataLocality", json!({"dataLocality": "best-effort"})).await;
    assert_eq!(volume["dataLocality"], "best-effort");
    let volume = client.act(&volume, "updateReplicaAutoBalance", json!({"replicaAutoBalance": "least-effort"})).await;
    assert_eq!(volume["replicaAutoBalance"], "least-effort");
    let volume = client.act(&volume, "updateSnapshotMaxCount", json!({"snapshotMaxCount": 50})).await;
    assert_eq!(volume["snapshotMaxCount"], 50);
    volume
}

/// Another volume of the snapshot's content.
async fn copy(client: &SchemaClient, volume: &Value, node: &str, installation: &Installation) {
    let (source, name) = (volume["id"].as_str().unwrap(), name("copy"));
    let wish = json!({"name": name, "size": volume["size"], "dataSource": format!("snap://{source}/second")});
    client.create("volume", wish).await;
    let is_complete = |volume: &Value| volume["cloneStatus"]["state"] == "completed" && is_detached(volume);
    let copy = client.until("volume", &name, "a complete copy", is_complete).await;
    client.act(&copy, "attach", json!({"hostId": node})).await;
    let copy = client.until("volume", &name, "attached and healthy", is_healthy).await;
    assert!(holds(&copy, 2, installation), "what the snapshot has");
    client.act(&copy, "detach", json!({})).await;
    let copy = client.until("volume", &name, "detached", is_detached).await;
    client.delete(&copy).await;
    client.until_gone("volume", &name).await;
}

/// Back to the snapshot in maintenance mode, and detached at the end.
async fn revert(client: &SchemaClient, volume: Value, node: &str, installation: &Installation) -> Value {
    let id = volume["id"].as_str().unwrap();
    client.act(&volume, "detach", json!({})).await;
    let volume = client.until("volume", id, "detached", is_detached).await;
    assert!(volume["actions"].get("snapshotCreate").is_none(), "not offered while detached: {volume:#}");
    client.act(&volume, "attach", json!({"hostId": node, "disableFrontend": true})).await;
    let in_maintenance = |volume: &Value| volume["state"] == "attached" && volume["disableFrontend"] == true;
    let volume = client.until("volume", id, "in maintenance", in_maintenance).await;
    assert_eq!(client.act(&volume, "snapshotRevert", json!({"name": "second"})).await, Value::Null);
    client.act(&volume, "detach", json!({})).await;
    let volume = client.until("volume", id, "detached", is_detached).await;
    client.act(&volume, "attach", json!({"hostId": node})).await;
    let volume = client.until("volume", id, "attached and healthy", is_healthy).await;
    assert!(holds(&volume, 2, installation));
    client.act(&volume, "detach", json!({})).await;
    client.until("volume", id, "detached", is_detached).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_disks_settings_and_jobs_are_changed_by_what_the_schemas_tell() {
    let installation = Installation::start().await;
    let client = boot(&installation).await;
    let node = ready_nodes(&client).await.remove(0);
    nodes(&client, &node).await;
    disks(&client, &node, &installation).await;

    let setting = client.by_id("setting", "snapshot-max-count").await.unwrap();
    assert_eq!((&setting["definition"]["category"], &setting["value"]), (&json!("snapshot"), &json!("250")));
    let changed = client.update(&setting, json!({"value": "200"})).await;
    assert_eq!(changed["value"], "200");
    // A thing that was read can be sent back as it is.
    assert_eq!(client.update(&changed, changed.clone()).await["value"], "200");

    let name = name("jobs");
    client.create("volume", json!({"name": name, "size": "32Mi"})).await;
    let volume = client.until("volume", &name, "detached", is_detached).await;
    jobs(&client, &volume).await;
    client.delete(&volume).await;
    client.until_gone("volume", &name).await;
}

async fn nodes(client: &SchemaClient, node: &Value) {
    let id = node["id"].as_str().unwrap();
    let changed = client.update(node, json!({"allowScheduling": false, "tags": ["fast", "near"]})).await;
    assert_eq!((&changed["allowScheduling"], &changed["tags"]), (&json!(false), &json!(["fast", "near"])));
    let mut whole = client.by_id("node", id).await.unwrap();
    assert_eq!((&whole["allowScheduling"], &whole["tags"]), (&json!(false), &json!(["fast", "near"])));
    whole["allowScheduling"] = json!(true);
    whole["tags"] = json!([]);
    let open = client.update(&changed, whole).await;
    assert_eq!((&open["allowScheduling"], &open["tags"]), (&json!(true), &json!([])));
}

async fn disks(client: &SchemaClient, node: &Value, installation: &Installation) {
    let id = node["id"].as_str().unwrap();
    let place = installation.root.path().join("ssd");
    std::fs::create_dir(&place).unwrap();
    let mut disks = node["disks"].clone();
    disks["ssd"] = json!({"path": place, "allowScheduling": true, "storageReserved": 1_000_000_000, "tags": ["ssd"]});
    client.act(node, "diskUpdate", json!({"disks": disks})).await;
    let is_ready = |node: &Value| node["disks"]["ssd"]["conditions"]["Ready"]["status"] == "True";
    let node = client.until("node", id, "ready with its new disk", is_ready).await;
    let ssd = &node["disks"]["ssd"];
    assert_eq!((&ssd["storageReserved"], &ssd["tags"]), (&json!(1_000_000_000), &json!(["ssd"])));
    assert!(ssd["storageMaximum"].as_u64().unwrap() > 0 && ssd["diskUUID"] != "", "{ssd:#}");

    let mut disks = node["disks"].clone();
    let without = {
        let mut rest = disks.as_object().unwrap().clone();
        rest.remove("ssd");
        rest
    };
    let in_use = client.try_act(&node, "diskUpdate", json!({"disks": without})).await.unwrap_err();
    in_use.expect(409, &["ssd"]);
    disks["ssd"]["allowScheduling"] = json!(false);
    let node = client.act(&node, "diskUpdate", json!({"disks": disks})).await;
    let node = client.act(&node, "diskUpdate", json!({"disks": without})).await;
    assert!(node["disks"].get("ssd").is_none());
}

/// A recurring job is made, changed, given to the volume and deleted; the volume forgets it.
async fn jobs(client: &SchemaClient, volume: &Value) {
    let wish = json!({"name": "nightly", "task": "snapshot", "cron": "0 2 * * *", "retain": 3, "concurrency": 1});
    let job = client.create("recurringJob", wish).await;
    let job = client.update(&job, json!({"retain": 5, "groups": ["default"]})).await;
    assert_eq!((&job["retain"], &job["groups"], &job["cron"]), (&json!(5), &json!(["default"]), &json!("0 2 * * *")));
    let taken = client.act(volume, "recurringJobAdd", json!({"name": "nightly", "isGroup": false})).await;
    assert!(names(&taken).contains(&"nightly"), "{taken}");
    client.delete(&job).await;
    assert!(client.by_id("recurringJob", "nightly").await.is_none());
    let left = client.act(volume, "recurringJobList", json!({})).await;
    assert_eq!(names(&left), ["default"], "a volume without a job takes part in the default group");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_answered_with_errors_that_the_client_can_read() {
    let installation = Installation::start().await;
    let client = boot(&installation).await;
    let node = ready_nodes(&client).await.remove(0);
    let name = name("wrong");

    let refused = async |body: Value| client.try_create("volume", body).await.unwrap_err();
    refused(json!({"name": "Bad_Name", "size": "64Mi"})).await.expect(422, &["Bad_Name", "lower-case"]);
    refused(json!({"name": name, "size": "a lot"})).await.expect(422, &["a lot"]);
    refused(json!({"name": name, "size": "64Mi", "numberOfReplicas": "many"})).await.expect(400, &["numberOfReplicas"]);
    refused(json!({"name": name, "size": "64Mi", "numberOfReplicas": 99})).await.expect(422, &["99"]);
    refused(json!({"name": name, "size": "64Mi", "dataSource": "vol://nothing"})).await.expect(422, &["nothing"]);
    refused(json!({"name": name, "size": "64Mi", "dataEngine": "v2"})).await.expect(422, &["this version has no"]);
    assert!(client.by_id("volume", &name).await.is_none());
    assert!(client.list("volume").await.is_empty(), "nothing was made");

    client.create("volume", json!({"name": name, "size": "64Mi"})).await;
    let volume = client.until("volume", &name, "detached", is_detached).await;
    refused(json!({"name": name, "size": "64Mi"})).await.expect(409, &[&name, "exist"]);
    let tried = client.try_act(&volume, "attach", json!({"hostId": "node-9"})).await.unwrap_err();
    tried.expect(422, &["node-9", "node-1"]);
    client.act(&volume, "attach", json!({"hostId": "node-1"})).await;
    let attached = client.until("volume", &name, "attached and healthy", is_healthy).await;
    client.try_delete(&attached).await.unwrap_err().expect(409, &["attached", "etach"]);
    let tried = client.try_act(&attached, "snapshotGet", json!({"name": "nothing"})).await.unwrap_err();
    tried.expect(404, &["nothing"]);
    let tried = client.try_act(&attached, "updateReplicaCount", json!({"replicaCount": 0})).await.unwrap_err();
    tried.expect(422, &["replica"]);
    client.act(&attached, "detach", json!({})).await;
    let detached = client.until("volume", &name, "detached", is_detached).await;
    // An action that was offered when the thing was read, and is not any more.
    client.try_act(&attached, "snapshotCreate", json!({"name": "late"})).await.unwrap_err().expect(409, &["attach"]);
    client.delete(&detached).await;
    client.until_gone("volume", &name).await;
    client.try_act(&detached, "attach", json!({"hostId": "node-1"})).await.unwrap_err().expect(404, &[&name]);
    client.try_delete(&detached).await.unwrap_err().expect(404, &[&name]);

    let setting = client.by_id("setting", "default-replica-count").await.unwrap();
    client.try_update(&setting, json!({"value": "99"})).await.unwrap_err().expect(422, &["99"]);
    let same_path = json!({"disks": {
        "one": {"path": "/var/tmp/one", "allowScheduling": true},
        "two": {"path": "/var/tmp/one", "allowScheduling": true},
    }});
    client.try_act(&node, "diskUpdate", same_path).await.unwrap_err().expect(422, &["/var/tmp/one"]);
    let wish = json!({"name": "nightly", "task": "snapshot", "cron": "at night", "retain": 1});
    client.try_create("recurringJob", wish).await.unwrap_err().expect(422, &["at night"]);
}
