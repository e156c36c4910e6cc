//! A golden directory, unpacked.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub(crate) struct Golden {
    pub(crate) dir: PathBuf,
    scratch: TempDir,
}

impl Golden {
    pub(crate) fn extract(name: &str) -> Self {
        let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/golden/{name}.tar.zst"));
        // On a disk: `/tmp` may be memory without extents.
        let scratch = tempfile::Builder::new().prefix("aur-").tempdir_in("/var/tmp").unwrap();
        let tar = ["--zstd", "-S", "-p", "--no-same-owner", "-xf"];
        let status = Command::new("tar").args(tar).arg(&archive).arg("-C").arg(scratch.path()).status().unwrap();
        assert!(status.success(), "tar cannot extract {}", archive.display());
        Self { dir: scratch.path().join(name), scratch }
    }

    /// A path beside the directory, on the same disk.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }
}
