//! The device that a killed engine left.
//!
//! Its socket's other end is closed, and the kernel has noticed or is about to. The driver replaces a dead socket, and does
//! not say whether there was one: an offer that it did not take is closed again when our copy of its end is, which the
//! other end shows.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use super::control::{Attachment, Driver};
use super::leftovers::{detach, look};
use super::sysfs::{AttachedAs, Sysfs};
use super::{FLAGS, KernelPlace, identity_of, node, socket_pair};
use crate::frontend::block_error::BlockError;
use crate::frontend::tenure::Lasting;

/// So long may the kernel take to notice that the socket of a process which has ended is dead.
const NOTICE_PATIENCE: Duration = Duration::from_secs(3);
const NOTICE_POLL: Duration = Duration::from_millis(50);

/// Gives the one device that may go on a new socket, and returns it with our end of that; detaches all others of the
/// volume. `None`: there is no such device, or not any more.
pub(super) fn take_over(
    driver: &mut Driver,
    sysfs: &Sysfs,
    place: &KernelPlace,
) -> Result<Option<(AttachedAs, UnixStream)>, BlockError> {
    let identity = identity_of(place);
    let all = look(sysfs, |backend| identity.is_of(backend))?;
    let wanted = place.tenure.inherited_as(Lasting::NbdKernel).map(|token| identity.with(token));
    let (goes_on, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|device| Some(&device.backend) == wanted.as_ref());
    detach(driver, sysfs, &others)?;
    for device in &goes_on {
        if let Some(end) = offer_socket(driver, device)? {
            return Ok(Some((device.clone(), end)));
        }
    }
    // Whoever comes after us must not go on with it either, whatever becomes of us.
    place.tenure.clone().start_afresh()?;
    detach(driver, sysfs, &goes_on)?;
    if !(goes_on.is_empty() && others.is_empty()) {
        // If it is mounted, its users get I/O errors until they unmount it; the name is free for the next device.
        node::remove(&place.node())?;
    }
    Ok(None)
}

/// Returns our end of the socket if the device takes it.
fn offer_socket(driver: &mut Driver, device: &AttachedAs) -> Result<Option<UnixStream>, BlockError> {
    let AttachedAs { index, backend } = device;
    let deadline = Instant::now() + NOTICE_PATIENCE;
    let refused = loop {
        let (kernels, ours) = socket_pair()?;
        let attachment = Attachment { identifier: backend, server_flags: FLAGS, socket: kernels.as_fd() };
        let replaced = driver.replace_socket(*index, &attachment);
        drop(kernels);
        match replaced {
            Err(error) => break Some(error),
            Ok(()) if is_taken(&ours) => {
                tracing::info!(index, "took over the NBD device of an engine that is gone");
                return Ok(Some(ours));
            }
            Ok(()) if Instant::now() > deadline => break None,
            Ok(()) => std::thread::sleep(NOTICE_POLL),
        }
    };
    tracing::warn!(index, ?refused, "the NBD device of an engine that is gone can't be taken over");
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
