//! Questions as API servers ask them, and what becomes of the objects.

use std::sync::Arc;

use super::*;
use crate::resources::node::{DiskSpec, NodeSpec};
use crate::resources::volume::VolumeSpec;
use crate::resources::{BackupTarget, Object};
use crate::store::sqlite::Sqlite;

struct Fixture {
    judge: Judge,
    _directory: tempfile::TempDir,
}

/// As after the start of a manager.
async fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(Arc::new(Sqlite::open(&directory.path().join("db")).await.unwrap()));
    store.create(&Object::<BackupTarget>::new("default", Default::default())).await.unwrap();
    let backups = Backups::at(directory.path());
    let judge = Judge { store, settings: Settings::default(), backups, premises: Premises::default() };
    Fixture { judge, _directory: directory }
}

fn question(operation: &str, resource: &str, old: Value, new: Value) -> Question {
    let question = json!({"uid": "u", "resource": {"resource": resource}, "operation": operation, "object": new,
        "oldObject": old});
    serde_json::from_value(question).unwrap()
}

fn object(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "longhorn.io/v1beta2", "metadata": {"name": name, "namespace": "longhorn-system"}, "spec": spec})
}

/// The object after the answer; the API server does the same with the patch.
fn patched(mut object: Value, patch: &Patch) -> Value {
    for change in patch {
        assert_eq!(change["op"], "add");
        let (parent, name) = change["path"].as_str().unwrap().rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[name] = change["value"].clone();
    }
    object
}

impl Fixture {
    /// The object as it would be stored, or why it would not be.
    async fn written(&self, operation: &str, resource: &str, old: Value, new: Value) -> Result<Value, String> {
        let completing = question(operation, resource, old.clone(), new.clone());
        let patch = self.judge.complete(&completing).await.map_err(|error| error.message)?;
        let whole = patched(new, &patch);
        let again = question(operation, resource, old.clone(), whole.clone());
        assert_eq!(self.judge.complete(&again).await.unwrap(), Patch::new(), "what is whole stays as it is");
        self.judge.check(&again).await.map_err(|error| error.message)?;
        Ok(whole)
    }

    async fn created(&self, resource: &str, object: Value) -> Result<Value, String> {
        self.written("CREATE", resource, Value::Null, object).await
    }

    async fn deleted(&self, resource: &str, object: Value) -> Result<(), String> {
        let question = question("DELETE", resource, object, Value::Null);
        assert_eq!(self.judge.complete(&question).await.unwrap(), Patch::new());
        self.judge.check(&question).await.map_err(|error| error.message)
    }
}

/// "Volume defaults set by the mutator (create)".
#[tokio::test]
async fn a_volume_of_few_words_gets_the_defaults() {
    let fixture = fixture().await;
    fixture.judge.settings.set("default-replica-count", r#"{"v1":"2","v2":"3"}"#);
    let sent = object("v", json!({"size": "10000000000", "diskSelector": null, "nodeID": "node-1", "frontend": ""}));
    let volume = fixture.created("volumes", sent).await.unwrap();
    let spec = &volume["spec"];
    for (field, value) in [
        // Rounded up to 2 MiB.
        ("size", json!("10001317888")),
        ("numberOfReplicas", json!(2)),
        ("dataLocality", json!("disabled")),
        ("accessMode", json!("rwo")),
        ("frontend", json!("blockdev")),
        ("backupTargetName", json!("default")),
        ("backupCompressionMethod", json!("lz4")),
        ("backupBlockSize", json!("2097152")),
        ("snapshotMaxCount", json!(250)),
        ("replicaAutoBalance", json!("ignored")),
        ("snapshotDataIntegrity", json!("ignored")),
        ("restoreVolumeRecurringJob", json!("ignored")),
        ("freezeFilesystemForSnapshot", json!("ignored")),
        ("offlineRebuilding", json!("ignored")),
        ("unmapMarkSnapChainRemoved", json!("ignored")),
        ("dataEngine", json!("v1")),
        ("diskSelector", json!([])),
        ("nodeSelector", json!([])),
        ("nodeID", json!("node-1")),
    ] {
        assert_eq!(spec[field], value, "{field}");
    }
    assert_eq!(volume["metadata"]["finalizers"], json!(["longhorn.io"]));
    let labels = json!({"backup-target": "default", "recurring-job-group.longhorn.io/default": "enabled"});
    assert_eq!(volume["metadata"]["labels"], labels);
}

#[tokio::test]
async fn what_a_volume_says_stays() {
    let fixture = fixture().await;
    let mut sent = object("v", json!({"size": "1073741824", "numberOfReplicas": 1, "dataLocality": "strict-local"}));
    sent["metadata"]["labels"] = json!({"recurring-job.longhorn.io/nightly": "enabled"});
    sent["metadata"]["finalizers"] = json!(["other"]);
    let volume = fixture.created("volumes", sent).await.unwrap();
    assert_eq!((&volume["spec"]["numberOfReplicas"], &volume["spec"]["size"]), (&json!(1), &json!("1073741824")));
    assert_eq!(volume["spec"]["revisionCounterDisabled"], true);
    let labels = json!({"backup-target": "default", "recurring-job.longhorn.io/nightly": "enabled"});
    assert_eq!(volume["metadata"]["labels"], labels);
    assert_eq!(volume["metadata"]["finalizers"], json!(["other", "longhorn.io"]));
}

/// "Volume validation".
#[tokio::test]
async fn a_volume_that_can_t_be_is_refused_with_the_reason() {
    let fixture = fixture().await;
    for (spec, reason) in [
        (json!({}), "size"),
        (json!({"size": "1"}), "too small"),
        (json!({"size": "1073741824", "numberOfReplicas": 21}), "21 replicas"),
        (json!({"size": "1073741824", "numberOfReplicas": 2, "dataLocality": "strict-local"}), "strict-local"),
        (json!({"size": "1073741824", "snapshotMaxCount": 1}), "snapshotMaxCount"),
        (json!({"size": "1073741824", "snapshotMaxSize": "5"}), "snapshotMaxSize"),
        (json!({"size": "1073741824", "backupTargetName": "elsewhere"}), "elsewhere"),
        (json!({"size": "1073741824", "migratable": true}), "migratable"),
        (json!({"size": "1073741824", "numberOfReplicas": "three"}), "three"),
        (
            json!({"size": "1073741824", "fromBackup": "s3://bucket@region/?backup=backup-0123456789abcdef&volume=other"}),
            "backup target",
        ),
    ] {
        let refused = fixture.created("volumes", object("v", spec.clone())).await.unwrap_err();
        assert!(refused.contains(reason), "{spec}: {refused}");
    }
    let refused = fixture.created("volumes", object("V_", json!({"size": "1073741824"}))).await.unwrap_err();
    assert!(refused.contains("V_"), "{refused}");
}

#[tokio::test]
async fn a_volume_s_changes() {
    let fixture = fixture().await;
    let sent = json!({"size": "1073741824", "snapshotMaxSize": "2147483648"});
    let volume = fixture.created("volumes", object("v", sent)).await.unwrap();
    let changed = |changes: Value| {
        let mut changed = volume.clone();
        changes.as_object().unwrap().iter().for_each(|(name, value)| changed["spec"][name] = value.clone());
        fixture.written("UPDATE", "volumes", volume.clone(), changed)
    };
    let larger = changed(json!({"size": "1073741825"})).await.unwrap();
    assert_eq!(
        (&larger["spec"]["size"], &larger["spec"]["snapshotMaxSize"]),
        (&json!("1075838976"), &json!("2151677952"))
    );
    assert_eq!(changed(json!({"numberOfReplicas": 2})).await.unwrap()["spec"]["numberOfReplicas"], 2);
    for (changes, reason) in [
        (json!({"size": "1071644672"}), "never shrinks"),
        (json!({"dataSource": "vol://other"}), "dataSource"),
        (json!({"backupBlockSize": "16777216"}), "backupBlockSize"),
        (json!({"backupCompressionMethod": "gzip"}), "backupCompressionMethod"),
        (json!({"encrypted": true}), "encrypted"),
        (json!({"numberOfReplicas": 0}), "0 replicas"),
    ] {
        let refused = changed(changes.clone()).await.unwrap_err();
        assert!(refused.contains(reason), "{changes}: {refused}");
    }
    // Whatever it is: it may go.
    let mut going = volume.clone();
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    going["spec"]["numberOfReplicas"] = json!(0);
    fixture.written("UPDATE", "volumes", volume.clone(), going).await.unwrap();
    fixture.deleted("volumes", volume).await.unwrap();
}

#[tokio::test]
async fn settings() {
    let fixture = fixture().await;
    let setting = |name: &str, value: &str| json!({"metadata": {"name": name}, "value": value});
    let by_engine = fixture.created("settings", setting("default-replica-count", " 2 ")).await.unwrap();
    assert_eq!(by_engine["value"], r#"{"v1":"2","v2":"2"}"#);
    for (name, value, reason) in [
        ("no-such-setting", "1", "no-such-setting"),
        ("default-replica-count", "none", "default-replica-count"),
        ("current-longhorn-version", "v9", "read"),
    ] {
        let refused = fixture.created("settings", setting(name, value)).await.unwrap_err();
        assert!(refused.contains(reason), "{name}: {refused}");
    }
    let version = setting("current-longhorn-version", "v1");
    // A label is no value; and who says so may write it.
    let mut labelled = version.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    fixture.written("UPDATE", "settings", version.clone(), labelled).await.unwrap();
    let mut known = setting("current-longhorn-version", "v2");
    known["metadata"]["annotations"] = json!({"longhorn.io/update-setting-from-longhorn": ""});
    fixture.written("UPDATE", "settings", version.clone(), known).await.unwrap();
    assert!(fixture.deleted("settings", version).await.unwrap_err().contains("can't be deleted"));
}

#[tokio::test]
async fn recurring_jobs() {
    let fixture = fixture().await;
    let sent = json!({"task": "snapshot-cleanup", "cron": "0 3 * * *", "retain": 5, "groups": ["b", "a", "b"]});
    let job = fixture.created("recurringjobs", object("tidy", sent)).await.unwrap();
    let spec = json!({"name": "tidy", "task": "snapshot-cleanup", "cron": "0 3 * * *", "retain": 0, "concurrency": 10,
        "groups": ["a", "b"], "labels": {}, "parameters": {}});
    assert_eq!(job["spec"], spec);
    assert!(job["metadata"].get("finalizers").is_none());
    for (spec, reason) in [
        (json!({"task": "snapshot", "cron": "tomorrow", "retain": 1}), "cron"),
        (json!({"task": "dance", "cron": "@daily"}), "dance"),
        (json!({"task": "snapshot", "cron": "@daily", "retain": 5000}), "retain"),
    ] {
        let refused = fixture.created("recurringjobs", object("j", spec)).await.unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[tokio::test]
async fn nodes_and_their_disks() {
    let fixture = fixture().await;
    let disk = |path: &str| DiskSpec { path: path.to_owned(), allow_scheduling: true, ..DiskSpec::default() };
    let disks = [("one".to_owned(), disk("/one")), ("two".to_owned(), disk("/two"))];
    let spec = NodeSpec { name: "n".into(), allow_scheduling: true, disks: disks.into(), ..NodeSpec::default() };
    let node = fixture.judge.store.create(&Object::<Node>::new("n", spec)).await.unwrap();
    let node = json!({"metadata": {"name": "n"}, "spec": node.spec, "status": node.status});
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut changed = node.clone();
        change(&mut changed["spec"]);
        fixture.written("UPDATE", "nodes", node.clone(), changed)
    };
    changed(&|spec| spec["tags"] = json!(["ssd"])).await.unwrap();
    changed(&|spec| spec["disks"]["three"] = json!({"path": "/three", "diskType": "filesystem"})).await.unwrap();
    type Change<'a> = &'a dyn Fn(&mut Value);
    let impossible: [(Change<'_>, &str); 6] = [
        (&|spec| spec["evictionRequested"] = json!(true), "eviction"),
        (&|spec| spec["disks"]["one"]["evictionRequested"] = json!(true), "eviction"),
        (&|spec| spec["disks"]["one"]["path"] = json!("/else"), "path"),
        (&|spec| spec["disks"]["three"] = json!({"path": "/one"}), "/one"),
        (&|spec| drop(spec["disks"].as_object_mut().unwrap().remove("one")), "scheduling is switched on"),
        (&|spec| spec["tags"] = json!(["two words"]), "tags"),
    ];
    for (change, reason) in impossible {
        let refused = changed(change).await.unwrap_err();
        assert!(refused.contains(reason), "{reason}: {refused}");
    }
    assert!(fixture.deleted("nodes", node.clone()).await.unwrap_err().contains("scheduling is switched on"));
    let mut unused = node.clone();
    unused["spec"]["allowScheduling"] = json!(false);
    fixture.deleted("nodes", unused).await.unwrap();
}

#[tokio::test]
async fn backup_targets() {
    let fixture = fixture().await;
    let target = |name: &str, url: &str| object(name, json!({"backupTargetURL": url, "pollInterval": "300"}));
    let offsite = fixture.created("backuptargets", target("offsite", " s3://bucket@region/ ")).await.unwrap();
    assert_eq!(offsite["spec"]["backupTargetURL"], "s3://bucket@region/");
    assert_eq!(offsite["spec"]["pollInterval"], "5m0s");
    let spec = serde_json::from_value(offsite["spec"].clone()).unwrap();
    fixture.judge.store.create(&Object::<BackupTarget>::new("offsite", spec)).await.unwrap();
    for (name, url, reason) in
        [("second", "s3://bucket@region/", "same place"), ("third", "ftp://x", "ftp"), ("No", "", "no name")]
    {
        let refused = fixture.created("backuptargets", target(name, url)).await.unwrap_err();
        assert!(refused.contains(reason), "{name}: {refused}");
    }
    // Changing something else of it is nothing about its address.
    let mut changed = offsite.clone();
    changed["spec"]["pollInterval"] = json!("10m0s");
    fixture.written("UPDATE", "backuptargets", offsite.clone(), changed).await.unwrap();
    assert!(fixture.deleted("backuptargets", target("default", "")).await.unwrap_err().contains("default"));
    fixture.deleted("backuptargets", offsite).await.unwrap();
}

#[tokio::test]
async fn snapshots_and_attachments_belong_to_a_volume() {
    let fixture = fixture().await;
    let volume = fixture.judge.store.create(&Object::<Volume>::new("v", VolumeSpec::default())).await.unwrap();
    let sent = object("s", json!({"volume": "v", "createSnapshot": true}));
    let snapshot = fixture.created("snapshots", sent).await.unwrap();
    let metadata = &snapshot["metadata"];
    assert_eq!(metadata["labels"], json!({"longhornvolume": "v"}));
    assert_eq!(metadata["ownerReferences"][0]["uid"], volume.metadata.uid);
    assert_eq!(metadata["finalizers"], json!(["longhorn.io"]));
    for (spec, reason) in [(json!({}), "no volume"), (json!({"volume": "w"}), "not there")] {
        assert!(fixture.created("snapshots", object("s", spec)).await.unwrap_err().contains(reason), "{reason}");
    }
    let mut moved = snapshot.clone();
    moved["spec"]["volume"] = json!("w");
    let refused = fixture.written("UPDATE", "snapshots", snapshot, moved).await.unwrap_err();
    assert!(refused.contains("can't be changed"), "{refused}");

    let tickets = |id: &str| json!({"t": {"id": id, "type": "longhorn-api", "nodeID": "n"}});
    let sent = |id: &str| object("v", json!({"volume": "v", "attachmentTickets": tickets(id)}));
    let attachment = fixture.created("volumeattachments", sent("t")).await.unwrap();
    assert_eq!(attachment["metadata"]["labels"], json!({"longhornvolume": "v"}));
    assert!(fixture.created("volumeattachments", sent("other")).await.unwrap_err().contains("other"));
}

/// Of a kind without rules of its own, and of one that is not ours at all.
#[tokio::test]
async fn others_are_let_through() {
    let fixture = fixture().await;
    let orphan = fixture.created("orphans", object("o", json!({"nodeID": "n"}))).await.unwrap();
    assert_eq!(orphan["metadata"]["finalizers"], json!(["longhorn.io"]));
    let manager = object("m", json!({"nodeID": "n"}));
    assert_eq!(fixture.created("instancemanagers", manager.clone()).await.unwrap(), manager);
    assert_eq!(fixture.created("pods", manager.clone()).await.unwrap(), manager);
    fixture.deleted("orphans", orphan).await.unwrap();
}

/// The words of a whole spec of ours, sent back.
#[tokio::test]
async fn a_volume_of_the_api_is_whole() {
    let fixture = fixture().await;
    let volume = fixture.created("volumes", object("v", json!({"size": "1073741824"}))).await.unwrap();
    let spec: VolumeSpec = serde_json::from_value(volume["spec"].clone()).unwrap();
    let again = json!({"metadata": volume["metadata"], "spec": spec});
    fixture.written("UPDATE", "volumes", volume, again).await.unwrap();
}
