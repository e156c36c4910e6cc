//! An attached device and its node: published when it is ready, detached when nobody uses it.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::Flock;
use nix::libc;

use super::control::Driver;
use super::error::{Explain, KernelNbdError};
use super::sysfs::Sysfs;
use super::{SEE_KERNEL, fuse_loop, node};

/// Sysfs has no event for "detached"; so often, and for so long at most, it is looked at.
const DETACH_POLL: Duration = Duration::from_millis(10);
const DETACH_PATIENCE: Duration = Duration::from_secs(3);

/// The kernel's side.
#[derive(Debug)]
pub(super) struct AttachedDevice {
    pub(super) index: u32,
    pub(super) node: PathBuf,
    /// Held as long as the device is attached.
    pub(super) _lock: Flock<File>,
}

/// The node appears when the device is ready. Making our own spares the need for `/dev/nbd<index>`, which a container's
/// `/dev` may lack.
pub(super) fn publish(index: u32, path: &Path) -> Result<(), KernelNbdError> {
    let number = Sysfs::default().number(index);
    let number = number.and_then(|text| {
        node::DeviceNumber::parse(&text).ok_or_else(|| io::Error::other(format!("{text:?} is no device number")))
    });
    let number = number.explain(|| format!("read the number of nbd{index}"), "sysfs has to be mounted")?;
    let staging = fuse_loop::hidden_path(path, ".new");
    node::create(&staging, number)?;
    std::fs::rename(&staging, path)
        .inspect_err(|_| drop(node::remove(&staging)))
        .explain(|| format!("publish the device node {}", path.display()), "check the directory's permissions")
}

impl AttachedDevice {
    pub(super) fn take_down(self, force: bool) -> Result<(), (Box<Self>, KernelNbdError)> {
        match self.detach(force) {
            Ok(()) => Ok(()),
            Err(error) => Err((Box::new(self), error)),
        }
    }

    fn detach(&self, force: bool) -> Result<(), KernelNbdError> {
        // Held through the detach, so that nobody mounts the device meanwhile.
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
        let attempt = || format!("detach nbd{}", self.index);
        Driver::find().and_then(|mut driver| driver.disconnect(self.index)).explain(attempt, SEE_KERNEL)?;
        drop(held);
        node::remove(&self.node)?;
        if !is_detached_soon(&Sysfs::default(), self.index) {
            tracing::warn!(index = self.index, "the NBD device goes when the last of its users closes it");
        }
        Ok(())
    }

    /// Detaches without asking anybody or waiting for I/O, which may be served no more.
    pub(super) fn give_up(&self) -> Result<(), KernelNbdError> {
        let attempt = || format!("detach nbd{}", self.index);
        Driver::find().and_then(|mut driver| driver.disconnect(self.index)).explain(attempt, SEE_KERNEL)?;
        Ok(node::remove(&self.node)?)
    }

    /// Opens the device for itself alone.
    fn hold(&self) -> Result<File, KernelNbdError> {
        let number = Sysfs::default().number(self.index).ok().and_then(|text| node::DeviceNumber::parse(&text));
        let in_use =
            |number| KernelNbdError::InUse { path: self.node.clone(), users: fuse_loop::users_of(number, &self.node) };
        if let Some(number) = number
            && !node::openers(number, &self.node).is_empty()
        {
            return Err(in_use(number));
        }
        match File::options().read(true).write(true).custom_flags(libc::O_EXCL).open(&self.node) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => match number {
                Some(number) => Err(in_use(number)),
                None => Err(error).explain(|| format!("open {}", self.node.display()), "unmount it"),
            },
            other => other.explain(|| format!("open {}", self.node.display()), "check the device node"),
        }
    }
}

fn is_detached_soon(sysfs: &Sysfs, index: u32) -> bool {
    let deadline = Instant::now() + DETACH_PATIENCE;
    while sysfs.is_attached(index) {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(DETACH_POLL);
    }
    true
}
