//! Device nodes: `/dev/longhorn/<volume>`.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::{Mode, SFlag, major, makedev, minor, mknod};

use super::block_error::{BlockError, Explain};
use super::fuse_loop;

/// Number of a block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeviceNumber {
    pub(super) major: u64,
    pub(super) minor: u64,
}

impl DeviceNumber {
    /// `7:12`, as in sysfs.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    pub(super) fn of_raw(number: u64) -> Self {
        Self { major: major(number), minor: minor(number) }
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.major, self.minor)
    }
}

/// Makes a node for `number` at `path`, for root only, in place of a block node that is there.
pub(super) fn create(path: &Path, number: DeviceNumber) -> Result<(), BlockError> {
    remove(path)?;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    mknod(path, SFlag::S_IFBLK, mode, makedev(number.major, number.minor)).explain(
        || format!("make the device node {} for {number}", path.display()),
        "the engine needs root and a directory on a file system that is not mounted `nodev`",
    )
}

/// Makes the node of a device that is ready, in place of one that is there. Making our own spares the need for the kernel's,
/// which a container's `/dev` may lack. Nobody ever sees a path without a device.
pub(super) fn publish(path: &Path, number: DeviceNumber) -> Result<(), BlockError> {
    let staging = fuse_loop::hidden_path(path, ".new");
    create(&staging, number)?;
    std::fs::rename(&staging, path)
        .inspect_err(|_| drop(remove(&staging)))
        .explain(|| format!("publish the device node {}", path.display()), "check the directory's permissions")
}

/// Removes a block node; one that is not there is fine, anything else at the path is left alone.
pub(super) fn remove(path: &Path) -> Result<(), BlockError> {
    let attempt = || format!("remove the device node {}", path.display());
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(metadata) if !metadata.file_type().is_block_device() => {
            Err(BlockError::NotABlockDevice { path: path.to_owned() })
        }
        Ok(_) => std::fs::remove_file(path).explain(attempt, "check the directory's permissions"),
        Err(error) => Err(error).explain(attempt, "check the directory's permissions"),
    }
}

pub(super) fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

/// Whether a mount, a swap area, or another device driver holds the device at `path`, in any namespace: then the
/// kernel refuses to open it exclusively.
pub(super) fn is_claimed(path: &Path) -> io::Result<bool> {
    match File::options().read(true).custom_flags(libc::O_EXCL).open(path) {
        Ok(_) => Ok(false),
        Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Processes that have the device open, such as `fio[4711]`, through `/dev` or through the node at `path`.
pub(super) fn openers(number: DeviceNumber, path: &Path) -> Vec<String> {
    let own = std::process::id();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|&process| process != own && has_open(process, number, path))
        .map(|process| {
            let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
            format!("{}[{process}]", name.trim())
        })
        .collect()
}

fn has_open(process: u32, number: DeviceNumber, path: &Path) -> bool {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    descriptors.filter_map(Result::ok).any(|descriptor| points_to(&descriptor.path(), number, path))
}

/// Looks at the name first: to `stat` a file on a dead network mount may hang. The name of a removed node ends in
/// ` (deleted)`, hence only its beginning counts.
fn points_to(descriptor: &Path, number: DeviceNumber, path: &Path) -> bool {
    let may_be_it = std::fs::read_link(descriptor).is_ok_and(|target| {
        target.starts_with("/dev") || target.as_os_str().as_bytes().starts_with(path.as_os_str().as_bytes())
    });
    may_be_it
        && std::fs::metadata(descriptor).is_ok_and(|metadata| {
            metadata.file_type().is_block_device() && DeviceNumber::of_raw(metadata.rdev()) == number
        })
}
