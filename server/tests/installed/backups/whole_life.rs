//! From the first backup to the last deletion.

use aurochs_server::jobs::{Filter, JobKind, JobState, Page};
use aurochs_server::resources::backup::BackupState;
use aurochs_server::resources::{Backup, BackupVolume, Volume, VolumeAttachment};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Target;
use crate::installation::{Installation, MIB, VOLUME};

#[tokio::test(flavor = "multi_thread")]
async fn backups_are_made_restored_and_deleted() {
    let target = Target::new();
    let installation = Installation::with_volume(2, "nbd").await;
    installation.attach_by_api(false).await;
    let (status, told) = installation.refused("snapshotBackup", json!({"name": "one"})).await;
    assert!(status == StatusCode::CONFLICT && told.contains("no address"), "{told}");
    installation.set_target(&target.url()).await;

    installation.write(0, 2 * MIB, 1).await;
    installation.write(2 * MIB, 2 * MIB, 5).await;
    let first = installation.back_up("one").await;
    let content_one = installation.own_content().await;
    assert_eq!((first.status.size.as_str(), first.status.labels["of"].as_str()), ("4194304", "one"));
    assert!(first.status.labels.contains_key("KubernetesStatus"), "{:?}", first.status.labels);
    installation.write(2 * MIB, 6 * MIB, 2).await;
    let second = installation.back_up("two").await;
    let content_two = installation.own_content().await;
    assert_eq!(second.status.size, "8388608");
    let volume = installation.volume().await;
    assert_eq!(volume["lastBackup"], second.name());
    assert_eq!(volume["lastBackupAt"], json!(second.status.snapshot_created_at));
    let of = installation.backup_volume().await;
    assert_eq!(of.status.last_backup_name, second.name());
    // Blocks of 2 MiB, the same content once: of 1, of 2, and of 5, which the first backup alone needs.
    assert_eq!(target.files(".blk").len(), 3);
    let path = format!("/v1/backupvolumes/{}", of.name());
    let listed = installation.call("POST", &format!("{path}?action=backupList"), Value::Null).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let got = installation.call("POST", &format!("{path}?action=backupGet"), json!({"name": first.name()})).await;
    assert_eq!((&got["state"], &got["volumeName"]), (&json!("Completed"), &json!(VOLUME)));

    // A restore of each is what the volume was.
    for (name, backup, content) in [("back-one", &first, &content_one), ("back-two", &second, &content_two)] {
        installation.restore(name, &backup.status.url, json!({})).await;
        let restored = installation.until_restored(name).await;
        assert_eq!(restored.spec.size.bytes(), 64 * MIB, "the backup's");
        assert!(installation.content(name).await == *content, "{name} is what the volume was");
    }
    let jobs = installation.history();
    for (kind, count) in [(JobKind::Backup, 2), (JobKind::Restore, 2)] {
        let filter = Filter { kinds: vec![kind], ..Filter::default() };
        let mut found = Vec::new();
        installation
            .until("the jobs are over", async |_| {
                found = jobs.list(&filter, Page { limit: 10, before: None }).await.unwrap();
                found.len() == count && found.iter().all(|seen| seen.record.state() == JobState::Succeeded)
            })
            .await;
    }

    // The first one goes; what the second one needs stays.
    installation.call("POST", &format!("{path}?action=backupDelete"), json!({"name": first.name()})).await;
    installation
        .until("the first one is gone", async |store| store.find::<Backup>(first.name()).await.unwrap().is_none())
        .await;
    assert_eq!(target.files(".blk").len(), 2, "the block that nobody needs is gone");
    assert_eq!(target.files(".cfg").len(), 2, "{:?}", target.files(".cfg"));
    installation.restore("again", &second.status.url, json!({})).await;
    installation.until_restored("again").await;
    assert!(installation.content("again").await == content_two);

    installation.call("DELETE", &path, Value::Null).await;
    installation
        .until("nothing is left", async |store| {
            store.list::<BackupVolume>().await.unwrap().is_empty() && store.list::<Backup>().await.unwrap().is_empty()
        })
        .await;
    assert_eq!(target.files("").len(), 0, "{:?}", target.files(""));
    installation.until_shown("its last backup is none", |volume| volume["lastBackup"] == "").await;
    installation.stop().await;
}

/// A detached volume is attached for it, a manager ends in the middle, and nothing is left behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_on_when_its_manager_has_ended() {
    let target = Target::new();
    let mut installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set_target(&target.url()).await;
    installation.write(0, 48 * MIB, 3).await;
    let content = installation.own_content().await;
    installation.detach_by_api().await;
    let name = installation.ask_for_backup("one").await;
    installation
        .until("it waits or runs", async |store| {
            store.get::<Backup>(&name).await.unwrap().status.state != BackupState::New
        })
        .await;
    installation.stop_manager().await;
    installation.start_manager(1).await;
    let made = installation.until_complete(&name).await;
    installation.until_state("detached").await;
    let tickets = installation.store().get::<VolumeAttachment>(VOLUME).await.unwrap().spec.attachment_tickets;
    assert!(tickets.is_empty(), "{tickets:?}");
    assert_eq!(made.status.progress, 100);
    installation.restore("back", &made.status.url, json!({})).await;
    // Nobody sees half of it.
    let path = "/v1/volumes/back?action=attach";
    let (status, answer) = installation.answer("POST", path, json!({"hostId": "node-1"})).await;
    let volume = installation.store().get::<Volume>("back").await.unwrap();
    assert!(status == StatusCode::CONFLICT || volume.is_restored(), "{answer}");
    installation.stop_manager().await;
    installation.start_manager(1).await;
    installation.until("it is restored", async |store| store.get::<Volume>("back").await.unwrap().is_restored()).await;
    assert!(installation.content("back").await == content);
    installation.stop().await;
}

/// What can't be is told with a reason, and mended by itself when the reason is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_fails_is_told_and_backups_wait_for_it() {
    let target = Target::new();
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set_target(&target.url()).await;
    installation.write(0, 2 * MIB, 3).await;
    let away = target.directory.path().with_extension("away");
    std::fs::rename(target.directory.path(), &away).unwrap();
    installation.sync().await;
    let told = installation.call("GET", "/v1/backuptargets/default", Value::Null).await;
    assert_eq!((&told["available"], &told["causes"][0]["code"]), (&json!(false), &json!("backup-target-unavailable")));
    assert!(!told["causes"][0]["nextStep"].as_str().unwrap().is_empty(), "{told}");
    let name = installation.ask_for_backup("one").await;
    installation
        .until("it waits for the target", async |store| {
            let status = store.get::<Backup>(&name).await.unwrap().status;
            status.state == BackupState::Pending && status.error.contains("can't be used")
        })
        .await;
    std::fs::rename(&away, target.directory.path()).unwrap();
    installation.sync().await;
    installation.until_complete(&name).await;
    installation.stop().await;
}
