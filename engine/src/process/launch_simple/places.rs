//! Where a running volume has its sockets and its mount.
//!
//! The place follows from the volume's name, so that the next start finds, and clears, what a killed one left.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aurochs_api::ids::VolumeName;
use nix::unistd::geteuid;

use super::ProgramError;

const DIRECTORY: &str = "aurochs-simple";

#[derive(Debug)]
pub(super) struct Places {
    directory: PathBuf,
}

impl Places {
    /// Makes the volume's directory below `given`, or where this user has such things.
    pub(super) fn make(given: Option<&Path>, volume: &VolumeName) -> Result<Self, ProgramError> {
        let base = given.map_or_else(default_base, Path::to_path_buf);
        let directory = base.join(volume.as_str());
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        let what = || {
            format!("make {}, the directory for sockets; choose another one with --run-directory", directory.display())
        };
        made.map_err(|source| ProgramError::Io { what: what(), source })?;
        Ok(Self { directory })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn replica_socket(&self) -> PathBuf {
        self.directory.join("replica.sock")
    }

    /// Removes what is empty and ours; what somebody else put there stays.
    pub(super) fn clear(&self) {
        let _ = fs::remove_file(self.replica_socket());
        let _ = fs::remove_dir(self.directory.join("fuse"));
        let _ = fs::remove_dir(&self.directory);
    }
}

fn default_base() -> PathBuf {
    let run = if geteuid().is_root() {
        Some(PathBuf::from("/run"))
    } else {
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
    };
    match run {
        Some(run) => run.join(DIRECTORY),
        None => std::env::temp_dir().join(format!("{DIRECTORY}-{}", geteuid())),
    }
}
