//! Where the block device of a kernel's driver goes, whichever driver it is.

use std::fs::File;
use std::path::PathBuf;

use nix::fcntl::{Flock, FlockArg};

use super::block_error::{BlockError, Explain};
use super::fuse_loop::FuseLoopConfig;
use super::tenure::Tenure;

/// Where the pieces go.
#[derive(Clone, Debug)]
pub struct KernelPlace {
    /// Directory of this volume alone, for the lock.
    pub runtime_dir: PathBuf,
    /// The frontend that this node may have had before: its volume and device directory are those of this one, and what
    /// it left is cleared.
    pub before: FuseLoopConfig,
    /// Which device may go on, and where a new one is noted.
    pub tenure: Tenure,
}

impl KernelPlace {
    /// Makes the directories, and names that of the lock in one way only: what devices are told by follows from it.
    pub(super) fn prepared(self) -> Result<Self, BlockError> {
        for directory in [&self.runtime_dir, &self.before.device_dir] {
            let attempt = || format!("make the directory {}", directory.display());
            std::fs::create_dir_all(directory).explain(attempt, "the engine needs root")?;
        }
        let attempt = || format!("resolve {}", self.runtime_dir.display());
        let runtime_dir = self.runtime_dir.canonicalize().explain(attempt, "check the run directory")?;
        Ok(Self { runtime_dir, ..self })
    }

    pub(super) fn node(&self) -> PathBuf {
        self.before.device_dir.join(&self.before.volume)
    }

    /// Keeps every other engine of the node away, until this process has ended. `name` is the driver's own.
    pub(super) fn lock(&self, name: &str) -> Result<Flock<File>, BlockError> {
        let path = self.runtime_dir.join(name);
        let attempt = || format!("open {}", path.display());
        let file = File::options().write(true).create(true).truncate(false).open(&path);
        let file = file.explain(attempt, "check the run directory")?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| BlockError::AlreadyServed { path })
    }
}
