//! A started device and its node: published when it is ready, taken away when nobody uses it.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::fcntl::Flock;
use nix::libc;

use super::driver::Driver;
use super::error::{Explain, UblkError};
use super::presence::Presence;
use super::queue::Queues;
use super::sysfs::Sysfs;
use super::{SEE_KERNEL, fuse_loop, node};

/// So long may short-lived openers (udev looking at the device) hold up a detach before it counts as in use.
const OPENERS_PATIENCE: Duration = Duration::from_secs(3);
/// Nothing tells when a process closes a device; this often it is looked at.
const OPENERS_POLL: Duration = Duration::from_millis(20);
/// When a device is taken away by force, what is in flight may take so long; then it fails.
const FORCE_PATIENCE: Duration = Duration::from_secs(10);
/// The queues of a stopped device end at once.
const END_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct StartedDevice {
    pub(super) id: u32,
    pub(super) node: PathBuf,
    pub(super) queues: Queues,
    pub(super) presence: Presence,
    /// Held as long as the device is there.
    pub(super) _lock: Flock<File>,
}

/// Makes the node, in place of one that is there. Making our own spares the need for `/dev/ublkb<id>`, which a
/// container's `/dev` may lack.
pub(super) fn publish(id: u32, path: &Path) -> Result<(), UblkError> {
    let number = Sysfs::default().block_number(id);
    let number = number.explain(|| format!("read the number of ublkb{id}"), "sysfs has to be mounted")?;
    let staging = fuse_loop::hidden_path(path, ".new");
    node::create(&staging, number)?;
    std::fs::rename(&staging, path)
        .inspect_err(|_| drop(node::remove(&staging)))
        .explain(|| format!("publish the device node {}", path.display()), "check the directory's permissions")
}

impl StartedDevice {
    pub(super) fn take_down(self, force: bool) -> Result<(), (Box<Self>, UblkError)> {
        let stopped = if force {
            let (finished, unfinished) = mpsc::channel::<()>();
            let (id, queues) = (self.id, &self.queues);
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    if unfinished.recv_timeout(FORCE_PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                        tracing::warn!(id, "requests that the volume does not answer fail now");
                        queues.give_up();
                    }
                });
                let stopped = self.stop(true);
                drop(finished);
                stopped
            })
        } else {
            self.stop(false)
        };
        stopped.map_err(|error| (Box::new(self), error))
    }

    fn stop(&self, force: bool) -> Result<(), UblkError> {
        // Held through the stop, so that nobody mounts the device meanwhile.
        let held = match self.hold() {
            Ok(held) => Some(held),
            Err(error) if force => {
                tracing::warn!(%error, "the block device is taken away from its users");
                None
            }
            Err(error) => return Err(error),
        };
        let written = held.as_ref().map_or(Ok(()), File::sync_all);
        let attempt = || format!("write out what {} has in memory", self.node.display());
        match written.explain(attempt, "see the engine's log, or force the detach and lose it") {
            Err(error) if !force => return Err(error),
            other => other.unwrap_or_else(|error| tracing::warn!(%error, "detached all the same")),
        }
        self.end(held)
    }

    /// Stops the device without asking anybody: what its users have not written out is lost.
    pub(super) fn give_up(&self) -> Result<(), UblkError> {
        self.queues.give_up();
        self.end(None)
    }

    fn end(&self, held: Option<File>) -> Result<(), UblkError> {
        let attempt = || format!("stop ublk device {}", self.id);
        let mut driver = Driver::find()?;
        self.presence.end(|| driver.stop(self.id)).explain(attempt, SEE_KERNEL)?;
        drop(held);
        node::remove(&self.node)?;
        if !self.queues.ended(END_PATIENCE) {
            tracing::warn!(id = self.id, "a queue of the stopped ublk device does not end");
        }
        if let Err(error) = driver.delete(self.id) {
            tracing::warn!(id = self.id, %error, "the stopped ublk device is left behind");
        }
        Ok(())
    }

    /// Opens the device for itself alone.
    fn hold(&self) -> Result<File, UblkError> {
        let attempt = || format!("open {}", self.node.display());
        let number = Sysfs::default().block_number(self.id).explain(attempt, "it is not there any more")?;
        let in_use = || UblkError::InUse { path: self.node.clone(), users: fuse_loop::users_of(number, &self.node) };
        let deadline = Instant::now() + OPENERS_PATIENCE;
        while !node::openers(number, &self.node).is_empty() {
            if Instant::now() > deadline {
                return Err(in_use());
            }
            std::thread::sleep(OPENERS_POLL);
        }
        match File::options().read(true).write(true).custom_flags(libc::O_EXCL).open(&self.node) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Err(in_use()),
            other => other.explain(attempt, "check the device node"),
        }
    }
}
