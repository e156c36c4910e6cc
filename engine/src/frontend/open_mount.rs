//! Reaching the inside of a file system that is mounted from a volume's device, in whichever mount namespace that is.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;

use super::fuse_loop;

/// Where a volume's device is mounted.
#[derive(Debug)]
pub enum OpenMount {
    /// A directory inside, open, and the path it was opened by.
    Open {
        mount: PathBuf,
        inside: File,
    },
    /// It is mounted, and every mount point is out of reach: other mounts lie over them.
    Hidden,
    NotMounted,
}

/// Opens a mount point of the block device at `node`: one of this process's mount namespace, else one that only other
/// processes have (a container's), by way of such a process.
///
/// Whatever lies at the path by then: only what is on the device itself is answered with.
#[must_use]
pub fn open_mount(node: &Path) -> OpenMount {
    let here = fuse_loop::mounted_device(node);
    let Some(device) = here.or_else(|| fuse_loop::mounted_elsewhere(node)) else { return OpenMount::NotMounted };
    let opened = device.mount_points.iter().filter_map(|mount| Some((mount, open(mount)?)));
    let mut on_the_device =
        opened.filter(|(_, inside)| inside.metadata().is_ok_and(|metadata| metadata.dev() == device.number));
    match on_the_device.next() {
        Some((mount, inside)) => OpenMount::Open { mount: mount.clone(), inside },
        None => OpenMount::Hidden,
    }
}

/// Only a directory: whoever rules the other namespace may have put anything there meanwhile, a pipe that never opens too.
fn open(mount: &Path) -> Option<File> {
    let flags = libc::O_DIRECTORY | libc::O_NONBLOCK | libc::O_CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags).open(mount).ok()
}
