//! A file system on a volume's device, and what of it the disks hold. Needs root, FUSE and loop devices.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::snapshots::run;

/// Whether devices can be made and mounted here; says so where they can't.
pub(crate) fn is_possible() -> bool {
    let possible = nix::unistd::geteuid().is_root();
    if !possible {
        eprintln!("skipped: making devices and mounting them needs root");
    }
    possible
}

/// Unmounted in any case.
pub(crate) struct Mounted {
    device: String,
    pub(crate) at: PathBuf,
}

impl Mounted {
    pub(crate) async fn make(device: &str, at: PathBuf) -> Self {
        std::fs::create_dir(&at).unwrap();
        succeeds("mkfs.ext4", &["-q", device]).await;
        let mounted = Self { device: device.to_owned(), at };
        mounted.mount().await;
        mounted
    }

    async fn mount(&self) {
        succeeds("mount", &[&self.device, self.at.to_str().unwrap()]).await;
    }

    pub(crate) async fn sync(&self) {
        succeeds("sync", &["-f", self.at.to_str().unwrap()]).await;
    }

    /// The kernel forgets what it has trimmed already.
    pub(crate) async fn mount_again(&self) {
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

/// Bytes that a directory's files take on the disk.
pub(crate) fn allocated(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().blocks() * 512).sum()
}

/// What nothing makes smaller.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::Rng::fill(&mut rand::rng(), bytes.as_mut_slice());
    bytes
}
