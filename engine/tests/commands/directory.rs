//! A golden directory, extracted, with its manifest and with a memory of how it looked.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

#[derive(Deserialize)]
pub(super) struct Manifest {
    pub(super) head: String,
    pub(super) volume_size: u64,
    pub(super) revision_counter: Option<u64>,
    pub(super) disks: BTreeMap<String, Disk>,
}

#[derive(Deserialize)]
pub(super) struct Disk {
    pub(super) chain_child_to_root: Vec<String>,
    pub(super) file_size: u64,
    pub(super) removed: bool,
    pub(super) sha256_at_file_size: String,
}

pub(super) struct Golden {
    pub(super) manifest: Manifest,
    pub(super) dir: PathBuf,
    pub(super) scratch: TempDir,
}

pub(super) fn extract(name: &str) -> Golden {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    let manifest = fs::read(fixtures.join(format!("{name}.json"))).unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let status = Command::new("tar")
        .args(["--zstd", "-S", "--no-same-owner", "-xf"])
        .arg(fixtures.join(format!("{name}.tar.zst")))
        .arg("-C")
        .arg(scratch.path())
        .status()
        .unwrap();
    assert!(status.success());
    // The archive's own directory has the name of the fixture.
    let dir = scratch.path().join(name);
    let dir = if dir.is_dir() { dir } else { only_directory(scratch.path()) };
    Golden { manifest, dir, scratch }
}

fn only_directory(root: &Path) -> PathBuf {
    let mut entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.is_dir()).unwrap()
}

pub(super) fn sha256(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything about a file that a command that only reads must leave as it was.
type State = BTreeMap<String, (String, u64, u64, i64, i64, i64, i64)>;

/// The state of all files and of the directory itself, which has the name `.`.
pub(super) fn state(dir: &Path) -> State {
    let mut state = State::new();
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.push(".".to_owned());
    for name in names {
        let path = dir.join(&name);
        if !path.is_symlink() {
            // Before that, a file system counts more for it than it takes in the end.
            fs::File::open(&path).unwrap().sync_all().unwrap();
        }
        let facts = fs::symlink_metadata(&path).unwrap();
        let content = if facts.is_file() { sha256(&path) } else { String::new() };
        let times = (facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec());
        state.insert(name, (content, facts.len(), facts.blocks(), times.0, times.1, times.2, times.3));
    }
    state
}

impl Golden {
    pub(super) fn output(&self) -> PathBuf {
        self.scratch.path().join("exported.img")
    }

    /// Replaces `from` in a small file of the directory.
    pub(super) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.dir.join(file);
        let before = fs::read_to_string(&path).unwrap();
        assert!(before.contains(from), "{before}");
        fs::write(&path, before.replace(from, to)).unwrap();
    }

    pub(super) fn cut(&self, file: &str, size: u64) {
        fs::File::options().write(true).open(self.dir.join(file)).unwrap().set_len(size).unwrap();
    }
}
