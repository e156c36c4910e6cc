//! What the kernel has in memory of a block device (`linux/fs.h`).

use std::fs::File;
use std::os::fd::AsRawFd;

nix::ioctl_none!(blkflsbuf, 0x12, 97);

/// Syncs what is mounted from the device, in whichever namespace, and writes out what the kernel has in memory of it. Blocks
/// for as long as that takes. Does not tell whether the writing succeeded: an fsync of `device` does.
pub(crate) fn flush_buffers(device: &File) -> nix::Result<()> {
    // SAFETY: the request takes no argument, and the descriptor is open because `device` is borrowed.
    unsafe { blkflsbuf(device.as_raw_fd()) }.map(drop)
}
