//! A file system on a block device, and what was written to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::node::{noise, run};

/// An ext4, mounted; unmounted in any case.
pub(crate) struct FileSystem {
    device: PathBuf,
    at: PathBuf,
}

/// Sizes of the files of a tree: nothing, less than a sector, about a page, and many of them.
const FILES_BYTES: [usize; 6] = [0, 1, 511, 4096, 70_001, 1_500_000];
const DIRECTORIES: usize = 3;

impl FileSystem {
    pub(crate) async fn make(device: &Path, at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        run("mkfs.ext4", &["-q", text(device)]).await;
        let made = Self { device: device.to_owned(), at: at.to_owned() };
        made.mount().await;
        made
    }

    pub(crate) fn device(&self) -> &Path {
        &self.device
    }

    pub(crate) fn at(&self) -> &Path {
        &self.at
    }

    pub(crate) async fn mount(&self) {
        run("mount", &[text(&self.device), text(&self.at)]).await;
    }

    pub(crate) async fn unmount(&self) {
        run("umount", &[text(&self.at)]).await;
    }

    /// Unmounts it and lets a check look at what is on the device.
    pub(crate) async fn unmount_and_check(&self) {
        self.unmount().await;
        run("e2fsck", &["-fn", text(&self.device)]).await;
    }

    pub(crate) async fn size_bytes(&self) -> u64 {
        let said = run("df", &["--output=size", "-B1", text(&self.at)]).await;
        said.lines().last().unwrap().trim().parse().unwrap()
    }

    /// Fills it with a tree of files.
    pub(crate) async fn write_tree(&self, seed: u64) {
        for (path, content) in tree(seed) {
            let path = self.at.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        run("sync", &["-f", text(&self.at)]).await;
    }

    /// Every file of the tree as it was written.
    pub(crate) fn assert_tree(&self, seed: u64) {
        for (path, content) in tree(seed) {
            let found = std::fs::read(self.at.join(&path)).unwrap();
            assert!(found == content, "{path} has other bytes than were written");
        }
    }

    /// The short life of a file system: a tree is written, checked on the device, and found again.
    pub(crate) async fn live(device: &Path, at: &Path) {
        let seed = 1;
        let made = Self::make(device, at).await;
        made.write_tree(seed).await;
        made.unmount_and_check().await;
        made.mount().await;
        made.assert_tree(seed);
        run("fstrim", &[text(at)]).await;
        made.assert_tree(seed);
        made.unmount_and_check().await;
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-lq").arg(&self.at).stderr(Stdio::null()).status();
    }
}

fn tree(seed: u64) -> impl Iterator<Item = (String, Vec<u8>)> {
    (0..DIRECTORIES).flat_map(move |directory| {
        FILES_BYTES.iter().enumerate().map(move |(file, &bytes)| {
            let noise_seed = seed * 1000 + (directory * FILES_BYTES.len() + file) as u64;
            (format!("tree-{seed}/{directory}/{file}"), noise(noise_seed, bytes))
        })
    })
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
