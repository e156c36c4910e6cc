//! Telling the kernel that a thread writes out other processes' memory.

use nix::errno::Errno;
use nix::libc;

/// `linux/prctl.h`; the libc crate does not have it for this target.
const PR_SET_IO_FLUSHER: libc::c_int = 57;

/// From here on, memory that the calling thread (and threads it starts later) allocates is not got by writing out
/// dirty pages: those might have to pass through this very thread, and both would wait for ever.
///
/// # Errors
/// `EPERM` without `CAP_SYS_RESOURCE`, `EINVAL` before Linux 5.6.
pub(crate) fn mark_this_thread() -> nix::Result<()> {
    // SAFETY: PR_SET_IO_FLUSHER takes plain numbers, reads and writes no memory of ours.
    Errno::result(unsafe { libc::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) }).map(drop)
}
