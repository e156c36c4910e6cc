//! A small file system for one test, and a file that takes all of it but a few blocks.

use std::fs::File;
use std::path::PathBuf;

use nix::fcntl::{FallocateFlags, fallocate};

use super::BLOCK;
use super::mounted::Disk;

pub(super) struct SmallDisk {
    pub(super) mount_point: PathBuf,
    _disk: Disk,
}

impl SmallDisk {
    /// Room for about 4000 blocks. `None` without root.
    pub(super) fn mounted() -> Option<Self> {
        let disk = Disk::mounted("mkfs.ext4", &["-q", "-b", "4096", "-m", "0", "-O", "^has_journal"], 16 << 20)?;
        Some(Self { mount_point: disk.path().to_path_buf(), _disk: disk })
    }
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
