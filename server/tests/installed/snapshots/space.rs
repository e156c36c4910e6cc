//! Space comes back: trims of mounted file systems. Needs root, FUSE and loop devices.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::run;
use crate::installation::Installation;

/// A file system on the volume's device; unmounted in any case.
struct Mounted {
    device: String,
    at: PathBuf,
}

impl Mounted {
    async fn make(device: &str, at: PathBuf) -> Self {
        std::fs::create_dir(&at).unwrap();
        succeeds("mkfs.ext4", &["-q", device]).await;
        let mounted = Self { device: device.to_owned(), at };
        mounted.mount().await;
        mounted
    }

    async fn mount(&self) {
        succeeds("mount", &[&self.device, self.at.to_str().unwrap()]).await;
    }

    async fn sync(&self) {
        succeeds("sync", &["-f", self.at.to_str().unwrap()]).await;
    }

    /// The kernel forgets what it has trimmed already.
    async fn mount_again(&self) {
        succeeds("umount", &[self.at.to_str().unwrap()]).await;
        self.mount().await;
    }
}

async fn succeeds(program: &str, arguments: &[&str]) {
    let output = run(program, arguments).await;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).stderr(std::process::Stdio::null()).status();
    }
}

fn allocated(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().blocks() * 512).sum()
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::Rng::fill(&mut rand::rng(), bytes.as_mut_slice());
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trim_frees_what_the_file_system_does_not_use_and_may_take_snapshots_along() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: making devices and mounting them needs root");
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
