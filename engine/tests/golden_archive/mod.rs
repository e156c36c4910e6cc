//! A directory made by Longhorn, unpacked, with its manifest.

#![allow(dead_code, clippy::duplicate_mod, clippy::allow_attributes, reason = "each test file uses its part")]

#[path = "../scratch/mod.rs"]
mod scratch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

#[derive(Deserialize)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) head: String,
    pub(crate) volume_size: u64,
    pub(crate) revision_counter: Option<u64>,
    pub(crate) disks: BTreeMap<String, Disk>,
    pub(crate) files: BTreeMap<String, FileFacts>,
}

#[derive(Deserialize)]
pub(crate) struct Disk {
    pub(crate) chain_child_to_root: Vec<String>,
    pub(crate) file_size: u64,
    pub(crate) removed: bool,
    pub(crate) sha256_at_volume_size: String,
    pub(crate) sha256_at_file_size: String,
}

#[derive(Deserialize)]
pub(crate) struct FileFacts {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) data_extents: Option<Vec<(u64, u64)>>,
}

pub(crate) struct Golden {
    pub(crate) manifest: Manifest,
    pub(crate) dir: PathBuf,
    pub(crate) scratch: TempDir,
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden")
}

pub(crate) fn hex(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sha256(path: &Path) -> String {
    hex(Sha256::digest(std::fs::read(path).unwrap()))
}

impl Golden {
    pub(crate) fn extract(name: &str) -> Self {
        let manifest = std::fs::read(fixtures().join(format!("{name}.json"))).unwrap();
        let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
        // On a disk: `/tmp` may be memory without extents.
        let scratch = scratch::directory();
        let archive = fixtures().join(format!("{name}.tar.zst"));
        let tar = ["--zstd", "-S", "-p", "--no-same-owner", "-xf"];
        let status = Command::new("tar").args(tar).arg(&archive).arg("-C").arg(scratch.path()).status().unwrap();
        assert!(status.success(), "tar cannot extract {}", archive.display());
        let dir = scratch.path().join(&manifest.name);
        let dir = if dir.is_dir() { dir } else { scratch.path().join(name) };
        assert!(dir.is_dir(), "{} holds no directory of its name", archive.display());
        Self { manifest, dir, scratch }
    }

    /// A path beside the directory, on the same disk.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }
}
