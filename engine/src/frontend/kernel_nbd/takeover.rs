//! The device that a killed engine left.
//!
//! Its sockets' other ends are closed, and the kernel has noticed or is about to. The driver replaces dead sockets, and
//! does not say how many: those that it did not take are closed again when our copy of its end is, which the other end
//! shows.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use super::control::{Attachment, Driver};
use super::error::KernelNbdError;
use super::sysfs::Sysfs;
use super::{FLAGS, node, socket_pairs};

/// So long may the kernel take to notice that the sockets of a process which has ended are dead.
const NOTICE_PATIENCE: Duration = Duration::from_secs(3);
const NOTICE_POLL: Duration = Duration::from_millis(50);

/// Gives the device new sockets and returns our ends of them. `None`: there is no such device, or not any more.
pub(super) fn take_over(
    driver: &mut Driver,
    sysfs: &Sysfs,
    identifier: &str,
    size_bytes: u64,
    node: &Path,
) -> Result<Option<(u32, Vec<UnixStream>)>, KernelNbdError> {
    let Some(index) = sysfs.attached_as(identifier) else { return Ok(None) };
    let mut taken = Vec::new();
    let deadline = Instant::now() + NOTICE_PATIENCE;
    let refused = loop {
        let (kernels, ours) = socket_pairs()?;
        let sockets: Vec<_> = kernels.iter().map(AsFd::as_fd).collect();
        let attachment = Attachment { identifier, size_bytes, server_flags: FLAGS, sockets: &sockets };
        let replaced = driver.replace_sockets(index, &attachment);
        drop(sockets);
        drop(kernels);
        let before = taken.len();
        taken.extend(ours.into_iter().filter(is_taken));
        match replaced {
            Err(error) => break Some(error),
            // One more round finds none: all dead ones are replaced.
            Ok(()) if taken.len() == before && !taken.is_empty() => break None,
            Ok(()) if Instant::now() > deadline => break None,
            Ok(()) if taken.is_empty() => std::thread::sleep(NOTICE_POLL),
            Ok(()) => {}
        }
    };
    if !taken.is_empty() {
        tracing::info!(index, sockets = taken.len(), "took over the NBD device of an engine that is gone");
        return Ok(Some((index, taken)));
    }
    tracing::warn!(index, ?refused, "the NBD device of an engine that is gone can't be taken over and is detached");
    if let Err(error) = driver.disconnect(index) {
        tracing::warn!(index, %error, "it could not be detached either");
    }
    // If it is mounted, its users get I/O errors until they unmount it; the name is free for the next device.
    node::remove(node)?;
    Ok(None)
}

/// Whether the kernel keeps the other end. It may have sent requests on it already.
fn is_taken(ours: &UnixStream) -> bool {
    match recv(ours.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
        Ok(bytes) => bytes > 0,
        Err(error) => error == Errno::EAGAIN,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_socket_that_nobody_took_shows_it() {
        let (ours, kernels) = UnixStream::pair().unwrap();
        assert!(is_taken(&ours));
        let mut copy = kernels.try_clone().unwrap();
        drop(kernels);
        assert!(is_taken(&ours), "another copy of it is open");
        copy.write_all(&[1]).unwrap();
        assert!(is_taken(&ours), "with a request on it");
        drop(copy);
        let (ours, kernels) = UnixStream::pair().unwrap();
        drop(kernels);
        assert!(!is_taken(&ours));
    }
}
