//! The character device of a ublk device, by which its queues are served.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::fuse_loop::hidden_path;
use super::sysfs::Sysfs;
use crate::frontend::block_error::{BlockError, Explain};

/// Opens it. Making our own node spares the need for `/dev/ublkc<id>`, which a container's `/dev` may lack, and the
/// waiting for whoever makes that one. `node` is where the block device is published: devices are allowed there.
pub(super) fn open(sysfs: &Sysfs, id: u32, node: &Path) -> Result<File, BlockError> {
    let attempt = || format!("open the queues of ublk device {id}");
    let remedy = "the device directory must not be mounted `nodev`, and device cgroups must allow character devices";
    let number = sysfs.channel_number(id).explain(attempt, "sysfs has to be mounted")?;
    let own_node = hidden_path(node, ".queues");
    remove(&own_node).explain(attempt, remedy)?;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    mknod(&own_node, SFlag::S_IFCHR, mode, makedev(number.major, number.minor)).explain(attempt, remedy)?;
    let file = File::options().read(true).write(true).open(&own_node);
    remove(&own_node).explain(attempt, remedy)?;
    file.explain(attempt, remedy)
}

/// Our node, or one that a killed engine left.
fn remove(node: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(node) {
        Ok(metadata) if metadata.file_type().is_char_device() => std::fs::remove_file(node),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
