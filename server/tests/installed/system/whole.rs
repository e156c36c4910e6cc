//! An installation is lost, and comes back elsewhere.

use aurochs_server::jobs::{Filter, JobKind, JobState, Page};
use aurochs_server::resources::{Backup, BackupTarget, RecurringJob, Setting, SystemBackup, Volume};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{place, unzip, without};
use crate::backups::Target;
use crate::installation::{Installation, MIB, VOLUME};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_installation_comes_back_in_a_fresh_one() {
    let (target, offsite) = (Target::new(), Target::new());
    let one = Installation::with_volume(1, "nbd").await;
    one.attach_by_api(false).await;
    let early = one.answer("POST", "/v1/systembackups", json!({"name": "early"})).await;
    assert!(
        early.0 == StatusCode::CONFLICT && early.1["message"].as_str().unwrap().contains("no address"),
        "{early:?}"
    );
    one.set_target(&target.url()).await;
    one.write(0, 4 * MIB, 7).await;
    one.write(8 * MIB, 3 * MIB, 9).await;
    let content = one.own_content().await;
    one.set("default-replica-count", "2").await;
    one.set("snapshot-max-count", "100").await;
    let job = json!({"name": "nightly", "task": "snapshot", "cron": "0 0 29 2 *", "retain": 4, "concurrency": 3,
        "groups": ["default"], "labels": {"of": "test"}, "parameters": {}});
    one.call("POST", "/v1/recurringjobs", job).await;
    one.act("recurringJobAdd", json!({"name": "nightly", "isGroup": false})).await;
    let body = json!({"name": "offsite", "backupTargetURL": offsite.url(), "pollInterval": "0"});
    one.call("POST", "/v1/backuptargets", body).await;
    for name in ["x", "A", "a/b"] {
        let (status, answer) = one.answer("POST", "/v1/systembackups", json!({"name": name})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    }

    // The volume has no backup: one is made first.
    let made = one.back_the_system_up("before", "if-not-present").await;
    assert_eq!((made.status.version.as_str(), made.status.checksum.len()), (VERSION, 64));
    let backups = one.backups().await;
    assert_eq!(backups.len(), 1);
    assert!(backups[0].name().starts_with("system-backup-"), "{}", backups[0].name());
    let shown = one.call("GET", "/v1/systembackups/before", Value::Null).await;
    assert_eq!((&shown["state"], &shown["version"]), (&json!("Ready"), &json!(VERSION)));
    let (status, _) = one.answer("POST", "/v1/systembackups", json!({"name": "before"})).await;
    assert_eq!(status, StatusCode::CONFLICT);

    // What is in it is what Longhorn reads.
    let files = unzip(&place(target.directory.path(), VERSION, "before").join("system-backup.zip"));
    let names = ["backingimages", "backuptargets", "engineimages", "recurringjobs", "setting", "volumes"];
    let mut expected: Vec<String> = names.map(|name| format!("before/yamls/longhorn/{name}.yaml")).into();
    expected.insert(0, "before/metadata.yaml".to_owned());
    assert_eq!(files.keys().cloned().collect::<Vec<_>>(), expected);
    let volumes = &files["before/yamls/longhorn/volumes.yaml"];
    assert!(
        volumes.starts_with("apiVersion: longhorn.io/v1beta2\nitems:\n- apiVersion: longhorn.io/v1beta2\n"),
        "{volumes}"
    );
    assert!(volumes.ends_with("kind: VolumeList\nmetadata:\n  resourceVersion: \"\"\n"), "{volumes}");
    assert!(volumes.contains(&format!("lastBackup: {}", backups[0].name())), "{volumes}");

    // Nothing changed since: no volume is backed up again, but where it is wished.
    one.back_the_system_up("again", "if-not-present").await;
    assert_eq!(one.backups().await.len(), 1);
    one.back_the_system_up("always", "always").await;
    assert_eq!(one.backups().await.len(), 2);
    one.back_the_system_up("none", "disabled").await;
    assert_eq!(one.backups().await.len(), 2);
    one.until_jobs_succeeded(JobKind::SystemBackup, 4).await;
    let before = one.objects().await;
    one.stop().await;

    let two = Installation::start(1).await;
    two.set_target(&target.url()).await;
    let found: Vec<String> =
        two.store().list::<SystemBackup>().await.unwrap().iter().map(|found| found.name().to_owned()).collect();
    assert_eq!(found, ["again", "always", "before", "none"]);
    two.until_system_backup("before").await;
    assert!(two.system_restore_refused("back", "nothing").await.contains("nothing"));
    let restored = two.restore_the_system("back", "before").await;
    assert!(restored.status.source_url.ends_with(&format!("backupstore/system-backups/{VERSION}/before")));
    assert_eq!(restored.status.left_out, Vec::<String>::new());
    two.until_restored(VOLUME).await;
    let after = two.objects().await;
    assert_eq!((after.settings, after.jobs, after.targets), (before.settings, before.jobs, before.targets));
    let here = ["nodeID", "lastAttachedBy", "fromBackup"];
    assert_eq!(without(after.volume, &here), without(before.volume, &here));
    assert_eq!(after.labels, before.labels);
    assert!(two.content(VOLUME).await == content, "the bytes of the volume are the same");
    two.until_jobs_succeeded(JobKind::SystemRestore, 1).await;
    again(&two).await;

    // It goes from the target, and what others need stays.
    two.call("DELETE", "/v1/systembackups/before", Value::Null).await;
    two.until("it is gone", async |store| store.find::<SystemBackup>("before").await.unwrap().is_none()).await;
    assert!(!place(target.directory.path(), VERSION, "before").exists());
    assert!(place(target.directory.path(), VERSION, "always").exists());
    assert_eq!(two.store().list::<Backup>().await.unwrap().len(), 2);
    // Without the target nothing is shown, and nothing is gone.
    let body = json!({"name": "default", "backupTargetURL": "", "pollInterval": "300"});
    two.call("PUT", "/v1/backuptargets/default", body).await;
    two.until("none is shown", async |store| store.list::<SystemBackup>().await.unwrap().is_empty()).await;
    assert!(place(target.directory.path(), VERSION, "always").exists());
    two.stop().await;
}

/// A second restore: what changed since goes back to what the backup says, but a volume is never touched.
async fn again(two: &Installation) {
    two.until_state("detached").await;
    two.set("snapshot-max-count", "90").await;
    two.set("storage-minimal-available-percentage", "0").await;
    two.act("updateSnapshotMaxCount", json!({"snapshotMaxCount": 33})).await;
    two.attach_by_api(false).await;
    let refused = two.system_restore_refused("second", "before").await;
    assert!(refused.contains("vol") && refused.contains("Detach"), "{refused}");
    two.detach_by_api().await;
    two.restore_the_system("second", "before").await;
    let setting = two.store().get::<Setting>("snapshot-max-count").await.unwrap();
    assert_eq!(setting.spec.value, "100");
    assert!(setting.metadata.annotations.contains_key("longhorn.io/last-system-restored-at"), "{:?}", setting.metadata);
    let volume = two.store().get::<Volume>(VOLUME).await.unwrap();
    assert_eq!(volume.spec.snapshot_max_count, 33, "volumes that are there are not touched");
    assert!(volume.metadata.annotations.contains_key("longhorn.io/last-skipped-system-restored-at"));
    two.call("DELETE", "/v1/systemrestores/second", Value::Null).await;
}

/// What is compared.
struct Seen {
    settings: Vec<(String, String)>,
    jobs: Vec<Value>,
    targets: Vec<Value>,
    volume: Value,
    labels: Vec<(String, String)>,
}

impl Installation {
    async fn objects(&self) -> Seen {
        let store = self.store();
        let settings = store.list::<Setting>().await.unwrap().into_iter();
        let jobs = store.list::<RecurringJob>().await.unwrap().into_iter();
        let targets = store.list::<BackupTarget>().await.unwrap().into_iter();
        let volume = store.get::<Volume>(VOLUME).await.unwrap();
        let target = |spec: Value| without(spec, &["syncRequestedAt", "pollInterval"]);
        Seen {
            settings: settings.map(|setting| (setting.name().to_owned(), setting.spec.value.clone())).collect(),
            jobs: jobs.map(|job| json!(job.spec)).collect(),
            targets: targets.map(|found| target(json!(found.spec))).collect(),
            volume: json!(volume.spec),
            labels: volume.metadata.labels.into_iter().collect(),
        }
    }

    async fn until_jobs_succeeded(&self, kind: JobKind, count: usize) {
        let filter = Filter { kinds: vec![kind], ..Filter::default() };
        let history = self.history();
        self.until("the jobs are over", async |_| {
            let found = history.list(&filter, Page { limit: 10, before: None }).await.unwrap();
            found.len() == count && found.iter().all(|seen| seen.record.state() == JobState::Succeeded)
        })
        .await;
    }
}
