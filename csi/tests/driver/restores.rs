//! Snapshots of the kinds `bak` and `bi`, and volumes made of them.

use std::fs;

use tonic::Code;

use super::installation::{Installation, name};
use super::volume::{MIB, Volume, create_request, delete_snapshot, filesystem, of_snapshot};

#[tokio::test(flavor = "multi_thread")]
async fn of_a_backup() {
    let installation = Installation::start().await;
    installation.set_backup_target().await;
    let bytes = 64 * MIB;
    let volume =
        Volume::create(&installation, create_request(&name("source"), bytes, &filesystem("ext4"))).await.unwrap();
    volume.begin().await;
    fs::write(volume.target().join("file"), "in the backup").unwrap();
    // Kubernetes asks again until it is ready.
    let taken = loop {
        let taken = volume.snapshot("snapshot-b", "").await.unwrap();
        if taken.ready_to_use {
            break taken;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert!(taken.snapshot_id.starts_with(&format!("bak://{}/backup-", volume.id)), "{}", taken.snapshot_id);
    fs::write(volume.target().join("file"), "after it").unwrap();
    volume.end().await;
    volume.delete().await.unwrap();

    // The volume is gone, its backup is not. Longhorn's older word for it is known, too.
    let id = taken.snapshot_id.replace("bak://", "bs://");
    let request = |bytes: i64| aurochs_csi::csi::CreateVolumeRequest {
        volume_content_source: Some(of_snapshot(&id)),
        ..create_request(&name("from-backup"), bytes, &filesystem("ext4"))
    };
    let status = Volume::create(&installation, request(2 * bytes)).await.map(drop).unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    let restored = Volume::create(&installation, request(bytes)).await.unwrap();
    Volume::create(&installation, request(bytes)).await.unwrap();
    restored.begin().await;
    assert_eq!(fs::read_to_string(restored.target().join("file")).unwrap(), "in the backup");
    restored.end().await;
    restored.delete().await.unwrap();
    delete_snapshot(&installation, &taken.snapshot_id).await.unwrap();
    delete_snapshot(&installation, &taken.snapshot_id).await.unwrap();
    installation
        .until("the backup is gone", async |installation| {
            let volumes = installation.get("v1/backupvolumes").await;
            volumes["data"].as_array().unwrap().iter().all(|volume| volume["lastBackupName"] == "")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_backing_image() {
    let installation = Installation::start().await;
    let bytes = 64 * MIB;
    let volume =
        Volume::create(&installation, create_request(&name("base"), bytes, &filesystem("ext4"))).await.unwrap();
    volume.begin().await;
    fs::write(volume.target().join("file"), "in the image").unwrap();
    volume.end().await;
    let taken = volume.snapshot("snapshot-i", "bi").await.unwrap();
    let id = &taken.snapshot_id;
    let form = format!(
        "bi://backing?backingImage=snapshot-i&backingImageDataSourceType=export-from-volume&export-type=raw&\
         volume-name={}",
        volume.id
    );
    assert_eq!(*id, form);
    let request = aurochs_csi::csi::CreateVolumeRequest {
        volume_content_source: Some(of_snapshot(id)),
        ..create_request(&name("on-image"), bytes, &filesystem("ext4"))
    };
    let made = Volume::create(&installation, request).await.unwrap();
    made.begin().await;
    assert_eq!(fs::read_to_string(made.target().join("file")).unwrap(), "in the image");
    made.end().await;
    made.delete().await.unwrap();
    delete_snapshot(&installation, id).await.unwrap();
    delete_snapshot(&installation, id).await.unwrap();
}
