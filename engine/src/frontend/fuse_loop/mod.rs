//! A block device on any kernel: a FUSE file with a loop device over it, published as `/dev/longhorn/<volume>`.
//!
//! ```text
//! /dev/longhorn/<volume> ─► loop device (direct I/O) ─► <runtime_dir>/<volume> ─► FUSE ─► device
//! ```
//! The kernel's requests are served by tasks on the runtime of the device ([`server`]), with the engine's own words for
//! `/dev/fuse` ([`request`], [`answer`]): on one thread, and with the data of writes in memory that goes on as it is.
//!
//! Set up from right to left by [`FuseLoopFrontend::start`], taken down from left to right by its `stop`, so that
//! nobody ever sees a device without something behind it. The size of the volume is asked of the device wherever it
//! is needed; it is kept nowhere here, but the loop driver has to be told when it grew ([`growth`]).

mod answer;

mod filesystem;
mod growth;
mod leftovers;
mod loop_device;
mod message;
pub(crate) mod mounts;
mod reply;
mod request;
mod server;
mod session;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;

use super::block_error::{BlockError, Explain, blocking};

pub(super) use self::growth::Growth;
use self::loop_device::{Detached, LoopDevice};
pub(super) use self::loop_device::{hidden_path, users_of};
pub use self::mounts::mounted_at;
pub(super) use self::mounts::{MountedDevice, mounted_device, mounted_elsewhere, mounted_number};
use self::session::FuseSession;
use super::take_down::{TakeDown, take_down};
use super::{BlockDevice, Frontend, FrontendKind, Resizer, StopRefused, node};

/// Where the pieces go.
#[derive(Clone, Debug)]
pub struct FuseLoopConfig {
    /// Name of the volume, of its node and of the file: one path component.
    pub volume: String,
    /// Directory of this volume alone, on which the FUSE file system is mounted; made where missing.
    pub runtime_dir: PathBuf,
    /// Directory of the device node, `/dev/longhorn` in production; made where missing.
    pub device_dir: PathBuf,
}

impl FuseLoopConfig {
    fn node(&self) -> PathBuf {
        self.device_dir.join(&self.volume)
    }

    fn backing_file(&self) -> PathBuf {
        self.runtime_dir.join(&self.volume)
    }
}

/// A running block device.
///
/// Dropping it takes the device away as `stop` with `force` does, and blocks for a moment.
#[derive(Debug)]
pub struct FuseLoopFrontend {
    volume: String,
    /// `None` only while it is being stopped.
    parts: Option<Parts>,
}

#[derive(Debug)]
struct Parts {
    session: FuseSession,
    device: LoopDevice,
    /// The FUSE file that the loop device is bound to.
    backing: PathBuf,
}

impl FuseLoopFrontend {
    /// Clears what a killed engine may have left, then mounts, attaches and publishes. Needs root.
    ///
    /// For nodes short of memory, call [`prepare_thread`] on the threads that run `device`.
    ///
    /// # Errors
    /// When another process serves the volume, or a step fails; the steps before it are undone then.
    pub async fn start<D: BlockDevice>(device: Arc<D>, config: FuseLoopConfig) -> Result<Self, BlockError> {
        let runtime = Handle::current();
        blocking(move || {
            let config = clear_leftovers(config)?;
            let session = FuseSession::start(device, &config.volume, &config.runtime_dir, runtime)?;
            let backing = config.backing_file();
            match LoopDevice::attach(&backing, &config.node()) {
                Ok(device) => Ok(Self { volume: config.volume, parts: Some(Parts { session, device, backing }) }),
                Err(error) => {
                    if let Err((session, _)) = session.stop() {
                        session.detach();
                    }
                    Err(error)
                }
            }
        })
        .await
    }

    /// Index of the loop device: 12 for `loop12`.
    #[must_use]
    pub fn loop_index(&self) -> Option<u32> {
        self.parts.as_ref().map(|parts| parts.device.index)
    }
}

impl Frontend for FuseLoopFrontend {
    fn kind(&self) -> FrontendKind {
        FrontendKind::FuseLoop
    }

    fn endpoint(&self) -> String {
        self.parts.as_ref().map(|parts| parts.device.node.display().to_string()).unwrap_or_default()
    }

    fn resizer(&self) -> Resizer {
        let growth = self.parts.as_ref().map(|parts| Growth::of(&parts.device, &parts.backing));
        growth.map(Resizer::of_block_device).unwrap_or_default()
    }

    async fn stop(mut self, force: bool) -> Result<(), StopRefused<Self>> {
        let taken_down = take_down(&mut self.parts, &self.volume, force).await;
        taken_down.map_err(|error| StopRefused { frontend: Box::new(self), error: error.into() })
    }
}

impl Drop for FuseLoopFrontend {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            tracing::warn!(volume = self.volume, "the block device is dropped without being stopped");
            // The device's tasks need this thread's runtime to go on, so the waiting is done elsewhere.
            std::thread::spawn(move || parts.take_down(true));
        }
    }
}

impl TakeDown for Parts {
    /// Node, loop device, mount, thread: in this order.
    fn take_down(self, force: bool) -> Result<(), (Box<Self>, BlockError)> {
        let detached = match self.device.detach(force) {
            Ok(detached) => detached,
            Err(error) => return Err((Box::new(self), error)),
        };
        let Self { session, device, backing } = self;
        match detached {
            Detached::Completely => match session.stop() {
                Ok(()) => Ok(()),
                Err((session, error)) if force => {
                    tracing::warn!(%error, "the FUSE mount is detached while it is in use");
                    session.detach();
                    Ok(())
                }
                Err((session, error)) => Err((Box::new(Self { session: *session, device, backing }), error)),
            },
            Detached::WhenLastUserCloses => {
                tracing::warn!(node = %device.node.display(), "the block device was taken away from users who still have it open");
                session.detach();
                Ok(())
            }
        }
    }
}

/// Clears what a killed engine with this frontend may have left, so that another one can take its place. Blocks.
///
/// # Errors
/// When another process serves the volume.
pub(super) fn clear_leftovers(config: FuseLoopConfig) -> Result<FuseLoopConfig, BlockError> {
    for directory in [&config.runtime_dir, &config.device_dir] {
        create_directory(directory)?;
    }
    let config = FuseLoopConfig { runtime_dir: real_path(&config.runtime_dir)?, ..config };
    leftovers::clear(&config)?;
    Ok(config)
}

/// Marks the calling thread as one that writes out other processes' memory (`PR_SET_IO_FLUSHER`). A process that
/// serves a block device calls it on each of its runtime's threads (`on_thread_start`): without it, a thread that
/// needs memory on a full node may wait for a write which only it could serve.
///
/// # Errors
/// `EPERM` without `CAP_SYS_RESOURCE`; serving goes on without.
pub fn prepare_thread() -> io::Result<()> {
    crate::sys::io_flusher::mark_this_thread().map_err(Into::into)
}

fn create_directory(directory: &Path) -> Result<(), BlockError> {
    match std::fs::create_dir_all(directory) {
        // A dead FUSE mount: `leftovers` looks after it.
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ENOTCONN as i32) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.explain(|| format!("make the directory {}", directory.display()), "the engine needs root"),
    }
}

/// The path as the kernel's mount table has it. Only the parent is resolved: the directory itself may be a dead
/// mount, which can't be looked at.
fn real_path(directory: &Path) -> Result<PathBuf, BlockError> {
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Ok(directory.to_owned());
    };
    let parent = parent.canonicalize().explain(|| format!("resolve {}", parent.display()), "check the path")?;
    Ok(parent.join(name))
}
