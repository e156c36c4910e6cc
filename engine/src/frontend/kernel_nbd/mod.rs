//! A block device by the kernel's own NBD client, published as `/dev/longhorn/<volume>`.
//!
//! ```text
//! /dev/longhorn/<volume> ─► /dev/nbd<index> ─► a pair of sockets ─► the NBD server's requests and replies
//! ```
//! The kernel is given one of the pair by netlink, and told all that clients negotiate otherwise; nothing of it can be
//! reached from outside. In order: [`takeover`] finds what a killed engine left, or a free device is attached; the other
//! socket is served; only then the device is changed (its size, its limits), for which the kernel waits until requests in
//! flight are answered; the node is published.
//!
//! **One connection, though the driver could have several.** With several, a request that is not answered within a timeout
//! costs its connection and is repeated on another one, while the first is still on its way here. A volume that waits for
//! its replicas would lose one connection after another, and in the end its device; and a late write could come behind
//! newer ones. With one connection and no timeout the driver waits, and repeats only on a socket that has replaced this
//! one, which happens after the end of the engine that had it.
//!
//! **An engine that was killed.** Its device stays: requests wait, for as long as [`control`] says, and fail after that. The
//! next engine on the node finds the device by its identifier ([`identity`]), which the note of the engine before names
//! ([`super::tenure`]), and gives it a new socket, on which the kernel repeats what was not answered. A file system that is
//! mounted on it goes on. Whoever may not go on with it, or comes to a device that the kernel gave up, detaches it and
//! attaches another one.
//!
//! Invariants: one engine at a time has a volume's device, which a lock on a file of the volume's directory keeps to, also
//! through a crash; a device that is in use is not detached, unless by force; what was written through the device's page
//! cache has reached the replicas before it is detached; no device is given a socket but the one that the note names, also
//! not one that was detached and that its users have still open, though kernels before 6.14 would take it.

mod control;
mod device;
mod error;
mod growth;
mod identity;
mod leftovers;
mod netlink;
mod sysfs;
mod takeover;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::runtime::Handle;

use self::control::{Attachment, Driver};
use self::device::{AttachedDevice, publish};

use self::error::no_driver;
pub(super) use self::growth::KernelGrowth;
use self::identity::Identity;
pub(super) use self::leftovers::{clear_leftovers, is_left};
use self::sysfs::{AttachedAs, Sysfs};
use super::block_error::blocking;
use super::block_error::{BlockError, Explain};
use super::nbd::attached::{Attached, FLAGS};
use super::take_down::{TakeDown, take_down};
use super::tenure::Lasting;
use super::{BlockDevice, Frontend, FrontendKind, KernelPlace, Resizer, StopRefused, fuse_loop, node};

/// Largest request of the kernel: larger ones cost fewer round trips, and its default is 128.
const LARGEST_REQUEST_KIB: u32 = 1024;
/// So often the driver looks at a request that is not answered: whether it has to be repeated on another socket, which is
/// how long a file system stands still after a takeover. At each look it writes a line to the kernel's log.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// How long a device that is dropped may take to let go: the kernel waits for answers that are on their way to it. Then
/// its socket is closed, and it waits for none.
const GIVE_UP_PATIENCE: Duration = Duration::from_secs(10);
const SEE_KERNEL: &str = "see the kernel's log (dmesg) for what its NBD driver says";

/// File of the lock.
const LOCK: &str = "kernel-nbd.lock";

/// What devices of this place, a prepared one, are told by.
fn identity_of(place: &KernelPlace) -> Identity {
    Identity::of(&place.before.volume, &place.runtime_dir)
}

/// Whether the driver can be spoken to from here.
pub(super) fn driver_answers() -> Result<(), BlockError> {
    Driver::find().map(drop).map_err(no_driver)
}

/// A running block device.
///
/// Dropping it takes the device away from whoever uses it, without writing out what the kernel has in memory.
#[derive(Debug)]
pub struct KernelNbdFrontend {
    volume: String,
    growth: KernelGrowth,
    /// `None` only while it is being stopped.
    parts: Option<Parts>,
}

#[derive(Debug)]
struct Parts {
    server: Attached,
    device: AttachedDevice,
}

impl KernelNbdFrontend {
    /// Takes over what a killed engine left, or attaches a free device, and publishes it. Needs root.
    ///
    /// # Errors
    /// When another process serves the volume, or a step fails; the steps before it are undone then.
    pub async fn start<D: BlockDevice>(device: Arc<D>, place: KernelPlace) -> Result<Self, BlockError> {
        let size_bytes = device.size();
        let volume = place.before.volume.clone();
        let (attached, identifier, end) = blocking(move || attach(&place.prepared()?, size_bytes)).await?;
        let stream = match serving_end(end) {
            Ok(stream) => stream,
            Err(error) => {
                let _ = blocking(move || attached.give_up()).await;
                return Err(error);
            }
        };
        let server = Attached::start(&device, vec![stream]);
        let index = attached.index;
        let growth = KernelGrowth { index, identifier, size_bytes: Arc::new(move || device.size()) };
        let (node, parts) = (attached.node.clone(), Parts { server, device: attached });
        let frontend = Self { volume, growth, parts: Some(parts) };
        blocking(move || {
            tune(index);
            Ok(())
        })
        .await?;
        // The device of a killed engine has the size of then.
        if let Err(error) = frontend.growth.follow().await {
            tracing::warn!(index, %error, "the NBD device may be smaller than its volume");
        }
        // If this fails, the device goes away with `frontend`.
        blocking(move || publish(index, &node)).await?;
        Ok(frontend)
    }

    /// Index of the device: 3 for `nbd3`.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.growth.index
    }
}

fn serving_end(end: BlockingUnixStream) -> Result<UnixStream, BlockError> {
    let attempt = || "serve the kernel's NBD client".to_owned();
    end.set_nonblocking(true).and_then(|()| UnixStream::from_std(end)).explain(attempt, SEE_KERNEL)
}

/// With the device comes what it is told by; the kernel has the other end of the socket.
fn attach(place: &KernelPlace, size_bytes: u64) -> Result<(AttachedDevice, String, BlockingUnixStream), BlockError> {
    let lock = place.lock(LOCK)?;
    let mut driver = Driver::find().map_err(no_driver)?;
    let (AttachedAs { index, backend }, end) = match takeover::take_over(&mut driver, &Sysfs::default(), place)? {
        Some(taken_over) => taken_over,
        None => {
            fuse_loop::clear_leftovers(place.before.clone())?;
            let backend = identity_of(place).with(place.tenure.attach(Lasting::NbdKernel)?);
            let (index, end) = connect(&mut driver, &backend, size_bytes)?;
            (AttachedAs { index, backend }, end)
        }
    };
    Ok((AttachedDevice { index, node: place.node(), _lock: lock }, backend, end))
}

/// Sets how the device is used, where it is not set already. The kernel lets nobody change that before all requests in flight
/// are answered, also those that a killed engine left: the server has to run.
fn tune(index: u32) {
    if let Err(error) = Sysfs::default().set_largest_request(index, LARGEST_REQUEST_KIB) {
        tracing::warn!(index, %error, "the kernel's NBD device keeps to smaller requests");
    }
    if let Err(error) = Sysfs::default().set_look_interval(index, LOOK_INTERVAL) {
        tracing::warn!(index, %error, "after a takeover the kernel's NBD device may stand still for longer");
    }
}

/// The kernel's end and ours.
fn socket_pair() -> Result<(BlockingUnixStream, BlockingUnixStream), BlockError> {
    let attempt = || "make sockets for the kernel's NBD client".into();
    BlockingUnixStream::pair().explain(attempt, "allow more open files")
}

fn connect(driver: &mut Driver, identifier: &str, size_bytes: u64) -> Result<(u32, BlockingUnixStream), BlockError> {
    let (kernels, ours) = socket_pair()?;
    let attachment = Attachment { identifier, server_flags: FLAGS, socket: kernels.as_fd() };
    let index = driver.connect(&attachment, size_bytes).explain(|| "attach a free NBD device".into(), SEE_KERNEL)?;
    Ok((index, ours))
}

impl Frontend for KernelNbdFrontend {
    fn kind(&self) -> FrontendKind {
        FrontendKind::NbdKernel
    }

    fn endpoint(&self) -> String {
        self.parts.as_ref().map(|parts| parts.device.node.display().to_string()).unwrap_or_default()
    }

    fn resizer(&self) -> Resizer {
        Resizer::of_kernel_nbd(self.growth.clone())
    }

    async fn stop(mut self, force: bool) -> Result<(), StopRefused<Self>> {
        let taken_down = take_down(&mut self.parts, &self.volume, force).await;
        taken_down.map_err(|error| StopRefused { frontend: Box::new(self), error: error.into() })
    }
}

impl TakeDown for Parts {
    fn take_down(self, force: bool) -> Result<(), (Box<Self>, BlockError)> {
        if let Err(error) = self.device.detach(force) {
            return Err((Box::new(self), error));
        }
        // The kernel lets go of the connection by itself.
        Handle::current().block_on(self.server.ended());
        Ok(())
    }
}

impl Drop for KernelNbdFrontend {
    fn drop(&mut self) {
        let Some(Parts { server, device }) = self.parts.take() else { return };
        tracing::warn!(volume = self.volume, "the block device is dropped without being stopped");
        // What is in flight needs this thread's runtime to go on, so the waiting is done elsewhere.
        std::thread::spawn(move || {
            let (done, is_done) = mpsc::channel::<()>();
            let index = device.index;
            std::thread::spawn(move || {
                if let Err(error) = device.give_up() {
                    tracing::warn!(%error, "the block device is left behind");
                }
                drop(done);
            });
            if is_done.recv_timeout(GIVE_UP_PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                tracing::warn!(index, "requests of the NBD device that the volume does not answer are cut off");
            }
            drop(server);
        });
    }
}
