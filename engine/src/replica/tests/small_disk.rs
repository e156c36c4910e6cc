//! A small file system for one test, and a file that takes all of it but a few blocks.
//!
//! Needs root: the small disk is an image file mounted through a loop device.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{FallocateFlags, fallocate};

use super::{BLOCK, Scratch};

pub(super) struct SmallDisk {
    pub(super) mount_point: PathBuf,
    _root: tempfile::TempDir,
}

impl SmallDisk {
    /// Room for about 4000 blocks. `None` without root.
    pub(super) fn mounted() -> Option<Self> {
        if !nix::unistd::Uid::effective().is_root() {
            eprintln!("not checked: mounting a small disk needs root");
            return None;
        }
        let root = Scratch::root();
        let (image, mount_point) = (root.path().join("disk"), root.path().join("mounted"));
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        std::fs::create_dir(&mount_point).unwrap();
        run("mkfs.ext4", &["-q", "-b", "4096", "-m", "0", "-O", "^has_journal"], &[&image]);
        run("mount", &["-o", "loop"], &[&image, &mount_point]);
        Some(Self { mount_point, _root: root })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &[], &[&self.mount_point]);
    }
}

fn run(program: &str, arguments: &[&str], paths: &[&Path]) {
    let output = Command::new(program).args(arguments).args(paths).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Takes the space that nothing else has.
pub(super) struct Ballast {
    file: File,
    blocks: u64,
}

impl Ballast {
    pub(super) fn on(disk: &SmallDisk) -> Self {
        Self { file: File::create(disk.mount_point.join("ballast")).unwrap(), blocks: 0 }
    }

    fn take(&self, blocks: u64) -> bool {
        let bytes = |blocks: u64| i64::try_from(blocks * BLOCK as u64).unwrap();
        fallocate(&self.file, FallocateFlags::empty(), bytes(self.blocks), bytes(blocks)).is_ok()
    }

    /// Leaves exactly `free` blocks.
    pub(super) fn leave(&mut self, free: u64) {
        // What others freed is theirs until it is durable.
        nix::unistd::syncfs(&self.file).unwrap();
        for piece in [256, 16, 1] {
            while self.take(piece) {
                self.blocks += piece;
            }
        }
        self.blocks -= free;
        self.file.set_len(self.blocks * BLOCK as u64).unwrap();
        nix::unistd::syncfs(&self.file).unwrap();
    }
}
