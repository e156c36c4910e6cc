//! Telling a mounted file system to give back what it does not use (`linux/fs.h`).

use std::fs::File;
use std::os::fd::AsRawFd;

/// `struct fstrim_range`.
#[repr(C)]
struct Range {
    start: u64,
    length: u64,
    minimum: u64,
}

nix::ioctl_readwrite!(fi_trim, b'X', 121, Range);

/// Discards all free space of the file system of `inside`; the bytes that the file system says it discarded. Blocks for
/// as long as that takes. `EOPNOTSUPP`: the file system or its device can't.
pub(crate) fn trim(inside: &File) -> nix::Result<u64> {
    let mut range = Range { start: 0, length: u64::MAX, minimum: 0 };
    // SAFETY: the kernel reads and writes one `struct fstrim_range`, which `Range` is laid out as and which lives across
    // the call; the descriptor is open because `inside` is borrowed.
    unsafe { fi_trim(inside.as_raw_fd(), &raw mut range) }?;
    Ok(range.length)
}
