//! Why the kernel's userspace block driver could not be given the volume, or could not be parted from it.

use std::io;
use std::path::PathBuf;

use crate::frontend::fuse_loop::FuseLoopError;

#[derive(Debug, thiserror::Error)]
pub enum UblkError {
    #[error(
        "the ublk driver can't be reached: {0}; load it with `modprobe ublk_drv` and allow io_uring (kernel.io_uring_disabled)"
    )]
    Driver(#[source] io::Error),
    #[error("the kernel's ublk driver is too old: {missing}")]
    TooOld { missing: &'static str },
    /// A system call failed. `attempt` names what was tried and on what, `remedy` what to do.
    #[error("could not {attempt}: {source}; {remedy}")]
    Step { attempt: String, source: io::Error, remedy: &'static str },
    #[error("volume {volume} is attached by another process already ({} is locked): stop that engine first", lock.display())]
    AlreadyServed { volume: String, lock: PathBuf },
    #[error("{} is in use ({users}): unmount it and close what has it open, then detach again, or force it", path.display())]
    InUse { path: PathBuf, users: String },
    /// Its node, or what an engine with another frontend left.
    #[error(transparent)]
    Node(#[from] FuseLoopError),
}

/// Adds what was tried and what to do to a system error.
pub(super) trait Explain<T> {
    fn explain(self, attempt: impl FnOnce() -> String, remedy: &'static str) -> Result<T, UblkError>;
}

impl<T, E: Into<io::Error>> Explain<T> for Result<T, E> {
    fn explain(self, attempt: impl FnOnce() -> String, remedy: &'static str) -> Result<T, UblkError> {
        self.map_err(|error| UblkError::Step { attempt: attempt(), source: error.into(), remedy })
    }
}
