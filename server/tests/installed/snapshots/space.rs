//! Space comes back: trims of mounted file systems. Needs root, FUSE and loop devices.

use std::path::PathBuf;

use serde_json::json;

use crate::installation::Installation;
use crate::mounted::{self, Mounted, allocated, noise};

#[tokio::test(flavor = "multi_thread")]
async fn a_trim_frees_what_the_file_system_does_not_use_and_may_take_snapshots_along() {
    if !mounted::is_possible() {
        return;
    }
    let installation = Installation::with_volume(1, "blockdev").await;
    installation.attach_by_api(false).await;
    let (status, words) = installation.refused("trimFilesystem", json!({})).await;
    assert!(status.as_u16() == 409 && words.contains("not mounted"), "{words}");

    let device = installation.engine().await.status.endpoint;
    let mounted = Mounted::make(&device, installation.path().join("mnt")).await;
    let directory = PathBuf::from(installation.replicas().await[0].spec.data_path());
    let file = mounted.at.join("large");
    std::fs::write(&file, noise(20_000_000)).unwrap();
    mounted.sync().await;
    let full = allocated(&directory);
    std::fs::remove_file(&file).unwrap();
    mounted.sync().await;
    installation.act("trimFilesystem", json!({})).await;
    let trimmed = allocated(&directory);
    assert!(trimmed + 19_000_000 < full, "{full} bytes before, {trimmed} after");

    // What a snapshot holds stays, until the volume says that a trim may take it along.
    std::fs::write(&file, noise(20_000_000)).unwrap();
    mounted.sync().await;
    installation.act("snapshotCreate", json!({"name": "holds"})).await;
    std::fs::remove_file(&file).unwrap();
    mounted.sync().await;
    installation.act("trimFilesystem", json!({})).await;
    assert!(allocated(&directory) > trimmed + 19_000_000);
    installation.act("updateUnmapMarkSnapChainRemoved", json!({"unmapMarkSnapChainRemoved": "enabled"})).await;
    installation
        .until("the running engine knows", async |_| {
            installation.engine().await.status.unmap_mark_snap_chain_removed_enabled
        })
        .await;
    mounted.mount_again().await;
    installation.act("trimFilesystem", json!({})).await;
    let holds = installation.until_snapshot("holds", "is marked removed", |one| one.status.mark_removed).await;
    assert!(!holds.is_deleting(), "nobody deleted the resource");
    installation.until("its space is free", async |_| allocated(&directory) < trimmed + 4_000_000).await;
    drop(mounted);
    installation.stop().await;
}
