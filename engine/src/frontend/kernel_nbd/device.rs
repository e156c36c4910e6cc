//! An attached device and its node: published when it is ready, detached when nobody uses it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::Flock;

use super::control::Driver;
use super::sysfs::Sysfs;
use super::{SEE_KERNEL, node};
use crate::frontend::block_error::{BlockError, Explain};
use crate::frontend::release::hold_and_write_out;

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

pub(super) fn publish(index: u32, path: &Path) -> Result<(), BlockError> {
    node::publish(path, number_of(index)?)
}

fn number_of(index: u32) -> Result<node::DeviceNumber, BlockError> {
    let number = Sysfs::default().number(index);
    let number = number.and_then(|text| {
        node::DeviceNumber::parse(&text).ok_or_else(|| io::Error::other(format!("{text:?} is no device number")))
    });
    number.explain(|| format!("read the number of nbd{index}"), "sysfs has to be mounted")
}

impl AttachedDevice {
    /// Blocks.
    pub(super) fn detach(&self, force: bool) -> Result<(), BlockError> {
        let held = hold_and_write_out(number_of(self.index), &self.node, force)?;
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
    pub(super) fn give_up(&self) -> Result<(), BlockError> {
        let attempt = || format!("detach nbd{}", self.index);
        Driver::find().and_then(|mut driver| driver.disconnect(self.index)).explain(attempt, SEE_KERNEL)?;
        node::remove(&self.node)
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
