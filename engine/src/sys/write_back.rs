//! Asking the kernel to begin to write out what is in its page cache.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

/// Begins to write out what of `length` bytes at `offset` is in memory only, and does not wait for it. Nothing is durable
/// by that: what fails is told by the next sync.
pub(crate) fn begin(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let (offset, length) = (offset.try_into().map_err(too_large)?, length.try_into().map_err(too_large)?);
    // SAFETY: plain numbers and a descriptor that is open as long as `file` is borrowed; no memory of ours is touched.
    let outcome = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE) };
    Ok(Errno::result(outcome).map(drop)?)
}
