//! What others put into a target, and what they damage there.

use aurochs_server::resources::backup::BackupState;
use aurochs_server::resources::{Backup, BackupVolume};
use serde_json::{Value, json};

use super::Target;
use crate::installation::{Installation, MIB, VOLUME};

#[tokio::test(flavor = "multi_thread")]
async fn another_installation_sees_what_is_there_and_what_is_wrong_with_it() {
    let target = Target::new();
    let one = Installation::with_volume(1, "nbd").await;
    one.attach_by_api(false).await;
    one.set_target(&target.url()).await;
    one.write(0, 2 * MIB, 1).await;
    let first = one.back_up("one").await;
    let content = one.own_content().await;
    one.write(0, 2 * MIB, 2).await;
    let second = one.back_up("two").await;
    one.stop().await;

    // A record that is none, and one that has not come to its end.
    let backups =
        target.files(".cfg").iter().find(|path| path.ends_with("volume.cfg")).unwrap().with_file_name("backups");
    std::fs::write(backups.join("backup_damaged.cfg"), "{no json").unwrap();
    let dying = json!({"Name": "dying", "VolumeName": VOLUME, "SnapshotName": "", "SnapshotCreatedAt": "", "CreatedTime": "",
        "Size": "0", "Labels": null, "Parameters": null, "IsIncremental": false, "CompressionMethod": "lz4",
        "NewlyUploadedDataSize": "0", "ReUploadedDataSize": "0", "ProcessingBlocks": null, "SingleFile": {"FilePath": ""}});
    std::fs::write(backups.join("backup_dying.cfg"), dying.to_string()).unwrap();

    let two = Installation::start(1).await;
    two.set_target(&target.url()).await;
    let names: Vec<String> = two.backups().await.iter().map(|backup| backup.name().to_owned()).collect();
    let mut expected = vec![first.name(), second.name(), "damaged", "dying"];
    expected.sort_unstable();
    assert_eq!(names, expected);
    let state = async |name: &str| two.store().get::<Backup>(name).await.unwrap().status.state;
    assert_eq!(state(first.name()).await, BackupState::Completed);
    assert_eq!((state("damaged").await, state("dying").await), (BackupState::Error, BackupState::Unknown));
    let shown = two.call("GET", "/v1/backups/damaged", Value::Null).await;
    assert_eq!(shown["causes"][0]["code"], "backup-failed", "{shown}");

    // One of another installation is restored like our own.
    two.restore("copy", &first.status.url, json!({})).await;
    two.until_restored("copy").await;
    assert!(two.content("copy").await == content);
    let body = json!({"name": "half", "fromBackup": first.status.url.replace(first.name(), "dying")});
    let (status, refused) = two.answer("POST", "/v1/volumes", body).await;
    assert!(status.is_client_error() && refused["message"].as_str().unwrap().contains("not complete"), "{refused}");

    // What goes there goes here; what was not touched is not read again.
    let version = two.store().get::<Backup>(second.name()).await.unwrap().metadata.resource_version;
    std::fs::remove_file(backups.join("backup_damaged.cfg")).unwrap();
    two.sync().await;
    assert!(two.store().find::<Backup>("damaged").await.unwrap().is_none());
    assert_eq!(two.store().get::<Backup>(second.name()).await.unwrap().metadata.resource_version, version);

    // Without its address nothing is shown, and nothing is gone.
    let before = target.files("").len();
    let body = json!({"name": "default", "backupTargetURL": "", "pollInterval": "300"});
    two.call("PUT", "/v1/backuptargets/default", body).await;
    two.until("nothing is shown", async |store| {
        store.list::<Backup>().await.unwrap().is_empty() && store.list::<BackupVolume>().await.unwrap().is_empty()
    })
    .await;
    assert_eq!(target.files("").len(), before);
    two.stop().await;
}
