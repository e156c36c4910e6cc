//! Parting a block device from the kernel: nobody else has it, and what the kernel has in memory is written out.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc;

use super::block_error::{BlockError, Explain};
use super::node::DeviceNumber;
use super::{fuse_loop, node};

/// So long may short-lived openers (udev looking at the device) hold up a detach before it counts as in use.
const OPENERS_PATIENCE: Duration = Duration::from_secs(3);
/// Nothing tells when a process closes a device; this often it is looked at.
const OPENERS_POLL: Duration = Duration::from_millis(20);

/// Takes the device at `path` for ourselves and writes out what the kernel has of it. The file is to be kept until the
/// device is gone, so that nobody mounts it meanwhile. Blocks.
///
/// # Errors
/// When it is in use, or can't be written out. With `force` neither keeps it: then its users lose it, and there may be no
/// file.
pub(super) fn hold_and_write_out(
    number: Result<DeviceNumber, BlockError>,
    path: &Path,
    force: bool,
) -> Result<Option<File>, BlockError> {
    let held = match number.and_then(|number| hold(number, path)) {
        Ok(held) => held,
        Err(error) if force => {
            tracing::warn!(%error, "the block device is taken away from its users");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let attempt = || format!("write out what {} has in memory", path.display());
    match held.sync_all().explain(attempt, "see the engine's log, or force the detach and lose it") {
        Err(error) if !force => Err(error),
        Err(error) => {
            tracing::warn!(%error, "detached all the same");
            Ok(Some(held))
        }
        Ok(()) => Ok(Some(held)),
    }
}

/// Opens the device for ourselves alone.
fn hold(number: DeviceNumber, path: &Path) -> Result<File, BlockError> {
    let in_use = || BlockError::InUse { path: path.to_owned(), users: fuse_loop::users_of(number, path) };
    let deadline = Instant::now() + OPENERS_PATIENCE;
    while !node::openers(number, path).is_empty() {
        if Instant::now() > deadline {
            return Err(in_use());
        }
        std::thread::sleep(OPENERS_POLL);
    }
    match File::options().read(true).write(true).custom_flags(libc::O_EXCL).open(path) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Err(in_use()),
        other => other.explain(|| format!("open {}", path.display()), "check the device node"),
    }
}
