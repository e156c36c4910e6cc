//! Threads whose work may wait for everybody else's.

use nix::errno::Errno;
use nix::libc;

/// A tenth of the processor time of an ordinary thread that wants it too, all of it where nobody does.
const NICE: libc::c_int = 10;

/// From here on the calling thread, and no other one, gives way to threads of ordinary priority.
///
/// # Errors
/// `EACCES` where the process gives way more than that already.
pub(crate) fn lower_this_thread() -> nix::Result<()> {
    // SAFETY: setpriority takes plain numbers, reads and writes no memory of ours. Who = 0 is, on Linux, the calling
    // thread.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) }).map(drop)
}
