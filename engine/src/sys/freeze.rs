//! Freezing and thawing a mounted file system (`linux/fs.h`).

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::libc;

nix::ioctl_readwrite!(fi_freeze, b'X', 119, libc::c_int);
nix::ioctl_readwrite!(fi_thaw, b'X', 120, libc::c_int);

/// Writes out everything that the file system of `inside` holds and keeps it still until it is thawed: writers wait.
/// Blocks for as long as the writing takes. `EBUSY`: it is frozen already.
pub(crate) fn freeze(inside: &File) -> nix::Result<()> {
    let mut unused = 0;
    // SAFETY: the kernel neither reads nor writes the argument; it lives across the call, and the descriptor is open
    // because `inside` is borrowed.
    unsafe { fi_freeze(inside.as_raw_fd(), &raw mut unused) }.map(drop)
}

/// Ends a freeze. `EINVAL`: it is not frozen.
pub(crate) fn thaw(inside: &File) -> nix::Result<()> {
    let mut unused = 0;
    // SAFETY: as above.
    unsafe { fi_thaw(inside.as_raw_fd(), &raw mut unused) }.map(drop)
}
