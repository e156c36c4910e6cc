//! Holding the file system on the volume still for the moment of a snapshot.
//!
//! ```text
//!   asker    ──quiesce──►                 ──snapshot, if it still holds──►            ──release──►
//!   helper     sync ─► freeze ─► frozen ─── waits: released, asker gone, or too long ─── thaw ─►
//! ```
//! A frozen file system has everything on its device, its journal included, and holds its writers back; a snapshot of
//! it needs no replay. Freezing flushes through the volume, so it comes before the barrier of the snapshot.
//!
//! Invariants:
//! - **Whoever freezes thaws.** The helper thread that froze waits for one of three ends and thaws after each: the asker
//!   releases, the asker is gone (cancelled, panicked, gave up on a freeze that took too long), or the time is up. A
//!   process that ends in between leaves that to the stop of its frontend or to the start of the next ([`thaw_leftover`]).
//! - **A snapshot is told the truth.** The mark that the freeze holds goes before the thaw begins, and the snapshot looks
//!   at it under its barrier, where no write that came later can get in.
//! - **Nobody but the helper touches the file system**: whatever goes into a frozen one may wait for the very snapshot.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;
use tokio::sync::oneshot;

use super::fuse_loop::{MountedDevice, mounted_device};
use crate::sys::freeze as sys;

/// How long a leftover freeze may take to be undone before the start or the stop goes on without.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(5);

/// How long the steps may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For writing out what the file system has in memory, while it is in use as always.
    pub sync: Duration,
    /// For the freeze itself; its users wait from here on.
    pub freeze: Duration,
    /// From the freeze to the moment of the snapshot.
    pub hold: Duration,
    /// For the thaw; it goes on in the background after that.
    pub thaw: Duration,
}

impl Default for Patience {
    /// A minute for what hurts nobody, and far less than the 120 s after which the kernel reports hung tasks for what
    /// holds writers back.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { sync: seconds(60), freeze: seconds(30), hold: seconds(30), thaw: seconds(5) }
    }
}

/// Why a file system could not be frozen. It is not frozen by us then, or will be thawed as soon as the kernel answers.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    #[error("the file system at {} is frozen already, by another snapshot or by somebody's fsfreeze; try again when that is over", mount.display())]
    Frozen { mount: PathBuf },
    #[error("the file system at {} could not be frozen within {} s, so much had it to write; try again, or take the snapshot without freezing", mount.display(), limit.as_secs())]
    TooSlow { mount: PathBuf, limit: Duration },
    #[error("could not freeze the file system at {}: {source}; take the snapshot without freezing", mount.display())]
    Failed { mount: PathBuf, source: std::io::Error },
    #[error("the volume is mounted at {}, where another mount hides it: it can't be frozen; unmount the other one, or take the snapshot without freezing", mount.display())]
    Hidden { mount: PathBuf },
    #[error("the freeze of the file system at {} was over before the snapshot could be taken (after {} s); take it again when the volume is less busy", mount.display(), limit.as_secs())]
    Over { mount: PathBuf, limit: Duration },
    #[error("could not start a thread for the freeze: {0}; check the process limits")]
    Thread(std::io::Error),
}

/// What the volume's file system is while a snapshot is taken. Dropping it lets go as [`Quiet::release`] does, without
/// waiting.
#[derive(Debug, Default)]
pub struct Quiet {
    frozen: Option<Frozen>,
}

#[derive(Debug)]
struct Frozen {
    witness: Witness,
    /// Its end is the helper's sign to thaw.
    release: mpsc::Sender<()>,
    thawed: oneshot::Receiver<()>,
    patience: Patience,
}

/// Tells whether the freeze still holds. Cheap to clone; may outlive the freeze.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    frozen: Option<(Arc<AtomicBool>, PathBuf, Duration)>,
}

impl Witness {
    /// # Errors
    /// [`FreezeError::Over`]. Never where nothing was to be frozen.
    pub fn check(&self) -> Result<(), FreezeError> {
        match &self.frozen {
            Some((holds, mount, limit)) if !holds.load(Ordering::Acquire) => {
                Err(FreezeError::Over { mount: mount.clone(), limit: *limit })
            }
            _ => Ok(()),
        }
    }
}

/// Brings what is mounted from the block device at `node` to the device, if it is one and mounted: syncs it, as far as
/// that goes, and with `freeze` holds it still until the answer is released.
///
/// # Errors
/// Only with `freeze`; what can't be synced alone is logged.
pub async fn quiesce(node: &Path, freeze: bool, patience: Patience) -> Result<Quiet, FreezeError> {
    let Some(device) = mounted_device(node) else { return Ok(Quiet::default()) };
    let (synced, sync_answer) = oneshot::channel();
    let (frozen, freeze_answer) = oneshot::channel();
    let (release, released) = mpsc::channel();
    let (thawed, thaw_answer) = oneshot::channel();
    let holds = Arc::new(AtomicBool::new(false));
    let mount = device.mount_points[0].clone();
    let helper = Helper { device, holds: Arc::clone(&holds), hold: patience.hold };
    let work = move || {
        let Some(inside) = helper.sync(synced) else { return };
        if freeze {
            helper.hold(&inside, frozen, &released, thawed);
        }
    };
    std::thread::Builder::new().name("freeze".into()).spawn(work).map_err(FreezeError::Thread)?;

    wait_for_sync(&mount, sync_answer, patience.sync).await;
    if !freeze {
        return Ok(Quiet::default());
    }
    match tokio::time::timeout(patience.freeze, freeze_answer).await {
        Ok(Ok(Ok(()))) => {
            let witness = Witness { frozen: Some((holds, mount, patience.hold)) };
            Ok(Quiet { frozen: Some(Frozen { witness, release, thawed: thaw_answer, patience }) })
        }
        Ok(Ok(Err(Errno::EBUSY))) => Err(FreezeError::Frozen { mount }),
        Ok(Ok(Err(error))) => Err(FreezeError::Failed { mount, source: error.into() }),
        // The helper ended without an answer: none of the mounts could be opened.
        Ok(Err(_)) => Err(FreezeError::Hidden { mount }),
        // Nobody takes the answer now, so the helper thaws when it comes.
        Err(_) => Err(FreezeError::TooSlow { mount, limit: patience.freeze }),
    }
}

async fn wait_for_sync(mount: &Path, answer: oneshot::Receiver<nix::Result<()>>, limit: Duration) {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => {
            tracing::warn!(mount = %mount.display(), %error, "could not sync the file system before a snapshot");
        }
        Ok(Err(_)) => {
            tracing::warn!(mount = %mount.display(), "not synced before a snapshot: another mount hides it");
        }
        Err(_) => {
            tracing::warn!(mount = %mount.display(), seconds = limit.as_secs(), "not synced in time before a snapshot");
        }
    }
}

impl Quiet {
    /// What the snapshot asks under its barrier.
    #[must_use]
    pub fn witness(&self) -> Witness {
        self.frozen.as_ref().map(|frozen| frozen.witness.clone()).unwrap_or_default()
    }

    /// Thaws; returns when that is done, or given up on waiting for.
    pub async fn release(self) {
        let Some(Frozen { release, thawed, patience, .. }) = self.frozen else { return };
        drop(release);
        if tokio::time::timeout(patience.thaw, thawed).await.is_err() {
            tracing::warn!("the thaw of the file system takes long; its users wait until the volume answers it");
        }
    }
}

/// The part that runs in a thread of its own, since every call may block for long.
struct Helper {
    device: MountedDevice,
    holds: Arc<AtomicBool>,
    hold: Duration,
}

impl Helper {
    /// Returns the root of the file system, if it can be reached.
    fn sync(&self, synced: oneshot::Sender<nix::Result<()>>) -> Option<File> {
        let inside = open_inside(&self.device)?;
        // Who asked may have lost patience: the freeze still wants to know.
        let _ = synced.send(nix::unistd::syncfs(&inside));
        Some(inside)
    }

    fn hold(
        &self,
        inside: &File,
        frozen: oneshot::Sender<nix::Result<()>>,
        released: &mpsc::Receiver<()>,
        thawed: oneshot::Sender<()>,
    ) {
        if frozen.is_closed() {
            return;
        }
        if let Err(error) = sys::freeze(inside) {
            let _ = frozen.send(Err(error));
            return;
        }
        self.holds.store(true, Ordering::Release);
        if frozen.send(Ok(())).is_ok()
            && let Err(mpsc::RecvTimeoutError::Timeout) = released.recv_timeout(self.hold)
        {
            tracing::warn!(seconds = self.hold.as_secs(), "a snapshot takes too long: its file system is thawed");
        }
        self.holds.store(false, Ordering::Release);
        if let Err(error) = sys::thaw(inside) {
            tracing::error!(%error, "could not thaw a file system after a snapshot; use `fsfreeze --unfreeze`");
        }
        let _ = thawed.send(());
    }
}

/// Opens one of the mount points; another mount may lie over it.
fn open_inside(device: &MountedDevice) -> Option<File> {
    let opened = device.mount_points.iter().filter_map(|mount| File::open(mount).ok());
    let mut of_the_device = opened.filter(|file| file.metadata().is_ok_and(|metadata| metadata.dev() == device.number));
    of_the_device.next()
}

/// Thaws what the process that served this device before, or this one, left frozen. Not being frozen is fine. Blocks for
/// a moment; a thaw that takes longer goes on by itself.
pub(super) fn thaw_leftover(device: MountedDevice) {
    let (done, answer) = mpsc::channel();
    let work = move || {
        let Some(inside) = open_inside(&device) else { return };
        match sys::thaw(&inside) {
            Ok(()) => tracing::warn!(mounts = ?device.mount_points, "thawed a file system that was left frozen"),
            Err(Errno::EINVAL) => {}
            Err(error) => tracing::warn!(mounts = ?device.mount_points, %error, "could not thaw a file system"),
        }
        let _ = done.send(());
    };
    if let Err(error) = std::thread::Builder::new().name("thaw".into()).spawn(work) {
        return tracing::warn!(%error, "could not start a thread to thaw a file system");
    }
    if answer.recv_timeout(LEFTOVER_PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
        tracing::warn!("a file system that was left frozen does not answer; the thaw goes on in the background");
    }
}

/// Before the frontend at `node` goes away: its users must not wait for a freeze that nobody would end.
pub async fn thaw_before_stop(node: &Path) {
    if let Some(device) = mounted_device(node) {
        let _ = tokio::task::spawn_blocking(move || thaw_leftover(device)).await;
    }
}
