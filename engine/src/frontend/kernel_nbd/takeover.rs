//! The device that a killed engine left.
//!
//! Its socket's other end is closed, and the kernel has noticed or is about to. The driver replaces a dead socket, and does
//! not say whether there was one: an offer that it did not take is closed again when our copy of its end is, which the
//! other end shows.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use super::control::{Attachment, Driver};
use super::sysfs::Sysfs;
use super::{FLAGS, node, socket_pair};
use crate::frontend::block_error::BlockError;

/// So long may the kernel take to notice that the socket of a process which has ended is dead.
const NOTICE_PATIENCE: Duration = Duration::from_secs(3);
const NOTICE_POLL: Duration = Duration::from_millis(50);

/// Gives the device a new socket and returns our end of it. `None`: there is no such device, or not any more.
pub(super) fn take_over(
    driver: &mut Driver,
    sysfs: &Sysfs,
    identifier: &str,
    node: &Path,
) -> Result<Option<(u32, UnixStream)>, BlockError> {
    let Some(index) = sysfs.attached_as(identifier) else { return Ok(None) };
    let deadline = Instant::now() + NOTICE_PATIENCE;
    let refused = loop {
        let (kernels, ours) = socket_pair()?;
        let attachment = Attachment { identifier, server_flags: FLAGS, socket: kernels.as_fd() };
        let replaced = driver.replace_socket(index, &attachment);
        drop(kernels);
        match replaced {
            Err(error) => break Some(error),
            Ok(()) if is_taken(&ours) => {
                tracing::info!(index, "took over the NBD device of an engine that is gone");
                return Ok(Some((index, ours)));
            }
            Ok(()) if Instant::now() > deadline => break None,
            Ok(()) => std::thread::sleep(NOTICE_POLL),
        }
    };
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
