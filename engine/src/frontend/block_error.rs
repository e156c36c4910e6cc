//! Why a block device, of whichever kind, could not be set up or taken down.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// A system call failed. `attempt` names what was tried and on what, `remedy` what to do.
    #[error("could not {attempt}: {source}; {remedy}")]
    Step { attempt: String, source: io::Error, remedy: &'static str },
    #[error("the kernel's {driver} driver can't be reached: {source}; {remedy}")]
    NoDriver { driver: &'static str, source: io::Error, remedy: &'static str },
    #[error("the kernel's ublk driver is too old: {missing}")]
    TooOld { missing: &'static str },
    #[error("the volume is attached by another process already, which has {}: stop that engine first", path.display())]
    AlreadyServed { path: PathBuf },
    #[error("{} is in use ({users}): unmount it and close what has it open, then detach again, or force it", path.display())]
    InUse { path: PathBuf, users: String },
    #[error("{} is in the way of the volume's device node and is no block device: move it away", path.display())]
    NotABlockDevice { path: PathBuf },
    #[error("{} is a FUSE mount that does not answer: end the process that serves it, or unmount it with `umount -f`", path.display())]
    Unresponsive { path: PathBuf },
    #[error("no loop device could be had within {attempts} attempts: others take them as fast as we do; try again")]
    NoFreeLoop { attempts: u32 },
    #[error("{} can't be resized: it is not attached any more", path.display())]
    NotAttached { path: PathBuf },
    #[error("{} should have {wanted} bytes and the kernel shows {shown}: detach and attach the volume to see its new size", path.display())]
    SizeNotTaken { path: PathBuf, wanted: u64, shown: u64 },
}

/// Adds what was tried and what to do to a system error.
pub(super) trait Explain<T> {
    fn explain(self, attempt: impl FnOnce() -> String, remedy: &'static str) -> Result<T, BlockError>;
}

impl<T, E: Into<io::Error>> Explain<T> for Result<T, E> {
    fn explain(self, attempt: impl FnOnce() -> String, remedy: &'static str) -> Result<T, BlockError> {
        self.map_err(|error| BlockError::Step { attempt: attempt(), source: error.into(), remedy })
    }
}

/// Carries out a part of setting up or taking down a block device, which waits for the kernel, off the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlockError> + Send + 'static,
) -> Result<T, BlockError> {
    let attempt = || "run the set-up of the block device".to_owned();
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other).explain(attempt, "see the engine's log")?
}
