//! Taking a loop device, and giving it back.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;

use super::node::{self, DeviceNumber};
use crate::frontend::block_error::{BlockError, Explain};
use crate::sys::loop_device as sys;

/// Sector size of the block device: what Longhorn's devices have, so that file systems made there mount here.
const SECTOR_BYTES: u32 = 512;
/// Between asking for a free device and taking it, another process may take it; so many times in a row is no chance.
const ATTEMPTS: u32 = 64;
/// So long may short-lived openers (udev looking at the device) hold up a detach before it counts as in use.
const DETACH_PATIENCE: Duration = Duration::from_secs(3);
/// Sysfs has no event for "unbound"; this often it is looked at.
const DETACH_POLL: Duration = Duration::from_millis(10);

/// A bound loop device and its published node.
#[derive(Clone, Debug)]
pub(super) struct LoopDevice {
    pub(super) index: u32,
    pub(super) number: DeviceNumber,
    pub(super) node: PathBuf,
}

/// How a detach went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detached {
    Completely,
    /// Others have the device open; it goes when the last of them closes it.
    WhenLastUserCloses,
}

impl LoopDevice {
    /// Binds a free loop device to `backing` and publishes it as `node`. The node appears when the device is ready.
    pub(super) fn attach(backing: &Path, node: &Path) -> Result<Self, BlockError> {
        let backing_file =
            File::options().read(true).write(true).custom_flags(libc::O_DIRECT).open(backing).explain(
                || format!("open {}", backing.display()),
                "see the engine's log for what the FUSE server says",
            )?;
        let control = File::options().read(true).write(true).open("/dev/loop-control").explain(
            || "open /dev/loop-control".into(),
            "load the loop driver with `modprobe loop` and run the engine as root",
        )?;
        // Making our own node spares the need for /dev/loopN, which a container's /dev may lack.
        let staging = staging_path(node);
        let device = Self::bind(&control, &backing_file, backing, &staging)?;
        let attached = Self { node: node.to_owned(), ..device };
        std::fs::rename(&staging, node)
            .explain(|| format!("publish the device node {}", node.display()), "check the directory's permissions")
            .inspect_err(|_| attached.abandon(&staging))?;
        Ok(attached)
    }

    fn bind(control: &File, backing: &File, shown_name: &Path, staging: &Path) -> Result<Self, BlockError> {
        for _ in 0..ATTEMPTS {
            let index = sys::next_free(control)
                .explain(|| "find a free loop device".into(), "detach unused ones (`losetup -a`)")?;
            let number = number_of(index)?;
            node::create(staging, number)?;
            let file = node::open(staging).explain(
                || format!("open loop device {index} as {}", staging.display()),
                "the directory must not be mounted `nodev`, and device cgroups must allow block devices of major 7",
            );
            let bound = file.and_then(|file| {
                let name = shown_name.as_os_str().as_bytes();
                match sys::configure(&file, backing.as_fd(), SECTOR_BYTES, sys::LO_FLAGS_DIRECT_IO, name) {
                    Err(Errno::EBUSY) => Ok(false),
                    other => other.map(|()| true).explain(
                        || format!("bind loop device {index} to {}", shown_name.display()),
                        "LOOP_CONFIGURE needs Linux 5.8 or newer",
                    ),
                }
            });
            match bound {
                Ok(true) => {
                    return Ok(Self { index, number, node: staging.to_owned() });
                }
                Ok(false) => {}
                Err(error) => {
                    let _ = node::remove(staging);
                    return Err(error);
                }
            }
        }
        let _ = node::remove(staging);
        Err(BlockError::NoFreeLoop { attempts: ATTEMPTS })
    }

    /// Gives the device back after a failure; the first error is the one to tell.
    fn abandon(&self, staging: &Path) {
        if let Ok(file) = node::open(staging) {
            let _ = sys::clear(&file);
        }
        let _ = node::remove(staging);
    }

    /// Lets the device have the size that its backing file has now; its users see it at once.
    pub(super) fn take_size(&self) -> Result<(), BlockError> {
        // Through a node of our own, as for a detach; opened for reading, so that nobody who watches for the end of
        // writes (udev) takes an interest.
        let own_node = hidden_path(&self.node, ".size");
        node::create(&own_node, self.number)?;
        let file = File::open(&own_node)
            .explain(|| format!("open loop device {}", self.index), "check the permissions of the device directory");
        node::remove(&own_node)?;
        sys::take_size(&file?).explain(
            || format!("resize loop device {}", self.index),
            "detach and attach the volume to see its new size",
        )
    }

    /// Takes the device away from its users. The node is gone afterwards.
    ///
    /// # Errors
    /// Without `force`, a device that is still in use stays as it was, node included.
    pub(super) fn detach(&self, force: bool) -> Result<Detached, BlockError> {
        if !force && self.is_claimed()? {
            return Err(self.in_use());
        }
        let attempt = || format!("detach loop device {}", self.index);
        // Opened through a node of our own: the published one may have been removed by hand.
        let staging = staging_path(&self.node);
        node::create(&staging, self.number)?;
        let file = node::open(&staging).explain(attempt, "check the permissions of the device directory");
        node::remove(&staging)?;
        let file = file?;
        node::remove(&self.node)?;
        match sys::clear(&file) {
            Ok(()) | Err(Errno::ENXIO) => {}
            Err(error) => {
                return Err(error).explain(attempt, "try again, or reboot the node if it persists");
            }
        }
        drop(file);
        if is_unbound_soon(self.index) {
            return Ok(Detached::Completely);
        }
        if force { Ok(Detached::WhenLastUserCloses) } else { self.reattach() }
    }

    /// Somebody who did not mount it has the device open: everything goes back to how it was. If the last user
    /// leaves in this very moment, the detach is complete after all.
    fn reattach(&self) -> Result<Detached, BlockError> {
        let users = self.in_use();
        node::create(&self.node, self.number)?;
        let kept = node::open(&self.node).and_then(|file| sys::keep(&file).map_err(Into::into));
        if kept.is_ok() && !is_unbound(self.index) {
            return Err(users);
        }
        node::remove(&self.node)?;
        Ok(Detached::Completely)
    }

    fn is_claimed(&self) -> Result<bool, BlockError> {
        match node::is_claimed(&self.node) {
            Ok(claimed) => Ok(claimed),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => {
                Err(error).explain(|| format!("see whether {} is in use", self.node.display()), "check the device node")
            }
        }
    }

    fn in_use(&self) -> BlockError {
        BlockError::InUse { path: self.node.clone(), users: users_of(self.number, &self.node) }
    }
}

/// Unbinds loop device `index`, which a crashed engine left behind.
pub(super) fn clear_leftover(index: u32, node: &Path) -> Result<Detached, BlockError> {
    let leftover = LoopDevice { index, number: number_of(index)?, node: node.to_owned() };
    leftover.detach(true)
}

/// Loop devices bound to `backing`, also those that were when it was mounted in a container that is gone: its mount went with it, and
/// what is left of the path is the file's name.
pub(super) fn bound_to(backing: &Path) -> Vec<u32> {
    let Ok(devices) = std::fs::read_dir("/sys/block") else {
        return Vec::new();
    };
    devices
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("loop")?.parse().ok())
        .filter(|&index| backing_path(index).is_some_and(|path| path == backing || is_orphan_of(&path, backing)))
        .collect()
}

fn is_orphan_of(path: &Path, backing: &Path) -> bool {
    let is_its_name = || path.strip_prefix("/").ok().map(Path::as_os_str) == backing.file_name();
    is_its_name() && !path.exists()
}

pub(super) fn backing_path(index: u32) -> Option<PathBuf> {
    let text = std::fs::read_to_string(format!("/sys/block/loop{index}/loop/backing_file")).ok()?;
    let text = text.trim_end_matches('\n');
    Some(PathBuf::from(text.strip_suffix(" (deleted)").unwrap_or(text)))
}

fn is_unbound(index: u32) -> bool {
    backing_path(index).is_none()
}

fn is_unbound_soon(index: u32) -> bool {
    let deadline = Instant::now() + DETACH_PATIENCE;
    while !is_unbound(index) {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(DETACH_POLL);
    }
    true
}

pub(super) fn number_of(index: u32) -> Result<DeviceNumber, BlockError> {
    let path = format!("/sys/block/loop{index}/dev");
    std::fs::read_to_string(&path)
        .and_then(|text| DeviceNumber::parse(&text).ok_or_else(|| std::io::ErrorKind::InvalidData.into()))
        .explain(|| format!("read {path}"), "sysfs has to be mounted")
}

/// A hidden name in the same directory, so that a rename publishes the node.
fn staging_path(node: &Path) -> PathBuf {
    hidden_path(node, ".new")
}

/// Who uses a block device, for people.
pub(in crate::frontend) fn users_of(number: DeviceNumber, node: &Path) -> String {
    let mounted = super::mounts::all().unwrap_or_default().into_iter().filter(|mount| mount.device == number);
    let mut users: Vec<String> = mounted.map(|mount| format!("mounted on {}", mount.mount_point.display())).collect();
    users.extend(node::openers(number, node).into_iter().map(|process| format!("open in {process}")));
    if users.is_empty() {
        users.push("mounted in another namespace or used by another block device".into());
    }
    users.join(", ")
}

/// A hidden name beside the node.
pub(in crate::frontend) fn hidden_path(node: &Path, suffix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(node.file_name().unwrap_or_default());
    name.push(suffix);
    node.with_file_name(name)
}
