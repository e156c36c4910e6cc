//! A backup store that Longhorn made, unpacked, with its manifest; and an empty one.

use std::path::{Path, PathBuf};
use std::process::Command;

use aurochs_engine::backup::{Credentials, Store, Target};
use serde::Deserialize;
use tempfile::TempDir;

use crate::scratch;

#[derive(Deserialize)]
pub(crate) struct Manifest {
    pub(crate) backups: Vec<Backup>,
    #[serde(default)]
    pub(crate) with_backing: std::collections::BTreeMap<String, WithBacking>,
}

#[derive(Deserialize)]
pub(crate) struct Backup {
    pub(crate) volume: String,
    pub(crate) backup: String,
    pub(crate) restored_size: u64,
    pub(crate) restored_sha256: String,
}

#[derive(Deserialize)]
pub(crate) struct WithBacking {
    pub(crate) volume_content_sha256_blocks_laid_over_backing: String,
}

/// A directory as a target.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) store: Store,
    pub(crate) scratch: TempDir,
}

impl Place {
    pub(crate) async fn empty() -> Self {
        let scratch = scratch::directory();
        let dir = scratch.path().join("target");
        std::fs::create_dir(&dir).unwrap();
        Self { store: open(&dir).await, dir, scratch }
    }

    pub(crate) async fn golden(name: &str) -> (Self, Manifest) {
        let manifest = std::fs::read(fixtures().join(format!("{name}.json"))).unwrap();
        let manifest = serde_json::from_slice(&manifest).unwrap();
        let scratch = scratch::directory();
        let archive = fixtures().join(format!("{name}.tar.zst"));
        let status = Command::new("tar")
            .args(["--zstd", "--no-same-owner", "-xf"])
            .arg(&archive)
            .arg("-C")
            .arg(scratch.path())
            .status()
            .unwrap();
        assert!(status.success(), "tar cannot extract {}", archive.display());
        let dir = scratch.path().join(name);
        (Self { store: open(&dir).await, dir, scratch }, manifest)
    }

    pub(crate) fn url(&self) -> String {
        format!("vfs://{}", self.dir.display())
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.join(below)
    }

    /// Every file with its content, by path.
    pub(crate) fn files(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        let mut files = std::collections::BTreeMap::new();
        let mut left = vec![self.dir.clone()];
        while let Some(directory) = left.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    left.push(path);
                } else {
                    let name = path.strip_prefix(&self.dir).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, std::fs::read(path).unwrap());
                }
            }
        }
        files
    }

    /// Names of all blocks of a volume, sorted.
    pub(crate) fn blocks(&self, volume: &str) -> Vec<String> {
        let folder = format!("/{volume}/blocks/");
        self.files().into_keys().filter(|path| path.contains(&folder)).collect()
    }
}

/// Names of all archives.
pub(crate) fn all() -> Vec<String> {
    let files = std::fs::read_dir(fixtures()).unwrap();
    let names = files.filter_map(|file| file.unwrap().file_name().into_string().ok());
    let mut names: Vec<String> = names.filter_map(|name| name.strip_suffix(".tar.zst").map(str::to_owned)).collect();
    names.sort_unstable();
    assert!(names.len() >= 12, "{names:?}");
    names
}

pub(crate) async fn open(dir: &Path) -> Store {
    let url = format!("vfs://{}", dir.display()).parse().unwrap();
    Store::open(&Target { url, credentials: Credentials::default() }).await.unwrap()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/backupstores")
}
