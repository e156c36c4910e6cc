//! Replicas that Longhorn made: backed up, restored, and compared with its manifests.

use std::process::Command;

use sha2::{Digest, Sha256};

use crate::content::all;
use crate::golden_archive::{Golden, hex};
use crate::parties::transfers::Shelf;
use crate::parties::{Parties, VOLUME, scratch};

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_of_golden_replicas_come_back() {
    for name in ["s01-basic", "s03-removed-before-purge", "s04-expanded", "s05-branched"] {
        let golden = Golden::extract(name);
        let root = scratch::directory();
        let moved = Command::new("mv").arg(&golden.dir).arg(root.path().join(format!("{VOLUME}-r-0"))).status();
        assert!(moved.unwrap().success());
        let size = golden.manifest.volume_size;
        let source = Parties::over(root, size, 1).await;
        let engine = source.attach().await.unwrap();
        let shelf = Shelf::new(source.root.path());
        for (file, disk) in &golden.manifest.disks {
            let Some(snapshot) = file.strip_prefix("volume-snap-").and_then(|name| name.strip_suffix(".img")) else {
                continue;
            };
            if disk.removed {
                continue;
            }
            let what = format!("{name}/{snapshot}");
            let backup = format!("of-{snapshot}");
            engine.back_up(shelf.backup(&backup, snapshot)).await;
            let target = Parties::new(size, 1).await;
            let restored = target.attach().await.unwrap();
            restored.restore(shelf.restore(&backup)).await;
            let found = hex(Sha256::digest(all(&restored).await));
            assert_eq!(found, disk.sha256_at_volume_size, "{what}");
        }
    }
}
