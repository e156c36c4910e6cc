//! A block device by the kernel's userspace block driver (ublk), published as `/dev/longhorn/<volume>`.
//!
//! ```text
//! /dev/longhorn/<volume> ─► /dev/ublkb<id> ─► queues, a thread each ─► calls on the device, on the runtime
//! ```
//! The driver is spoken to by commands in an io_uring: [`driver`] has those that are about a device, [`queue`] those that
//! take requests and answer them. Data is copied by reads and writes on the character device (`UBLK_F_USER_COPY`), so the
//! kernel is never given an address of ours but that of a command's own buffer.
//!
//! In order: [`takeover`] finds what a killed engine left, or a device is added; its queues are served; it is started; the
//! node is published.
//!
//! **An engine that was killed.** Its device stays: requests wait, until the next engine on the node finds the device by
//! the number it carries ([`owner`]), which the note of the engine before names ([`super::tenure`]), and serves its queues,
//! or removes it. The kernel repeats what was not answered, and a file system that is mounted on it goes on.
//!
//! Invariants: one engine at a time has a volume's device, which a lock on a file of the volume's directory keeps to, also
//! through a crash; no device is served but a new one and the one that the note names; a device that is in use is not
//! stopped, unless by force; what was written through the device's page cache has reached the replicas before it is stopped; a
//! request's data is copied only while it is not answered.

mod answers;
mod channel;
mod device;
mod driver;
mod error;
mod growth;
mod layout;
mod owner;
mod presence;
mod queue;
mod request;
mod sysfs;
mod takeover;

use std::sync::Arc;

use tokio::runtime::Handle;

use self::device::{StartedDevice, publish};
use self::driver::Driver;
use super::block_error::{BlockError, Explain};

pub(super) use self::growth::UblkGrowth;
use self::layout::{ANY_ID, DeviceInfo, DeviceState, Features, Parameters};
use self::owner::Owner;
use self::presence::Presence;
use self::queue::Queues;
use self::sysfs::Sysfs;
use super::block_error::blocking;
use super::take_down::take_down;
use super::tenure::{Lasting, Token};
use super::{BlockDevice, Frontend, FrontendKind, KernelPlace, Resizer, StopRefused, fuse_loop, node};
use crate::disk::BLOCK_SIZE;

/// More than this gain nothing: the threads only copy.
const QUEUES_MAXIMUM: usize = 4;
/// Requests in flight of one queue.
const DEPTH: u16 = 128;
const LARGEST_REQUEST_BYTES: u32 = 1 << 20;
/// Larger discards come in pieces, so that none holds up others for long.
const LARGEST_DISCARD_BYTES: u64 = 1 << 30;
/// Sector size of the block device: what Longhorn's devices have, so that file systems made there mount here.
const SECTOR_BYTES: u32 = 512;
const SEE_KERNEL: &str = "see the kernel's log (dmesg) for what its ublk driver says";

/// File of the lock.
const LOCK: &str = "ublk.lock";

/// Whose the devices of this place, a prepared one, are. It follows from the directory of the lock too, so that whoever finds
/// a device by it also has the lock that keeps others from it.
fn owner_of(place: &KernelPlace) -> Owner {
    Owner::of(&place.before.volume, &place.runtime_dir)
}

/// Whether the driver can be spoken to from here, and does what is needed.
///
/// # Errors
/// There is no driver, or it is too old.
pub(super) fn driver_answers() -> Result<(), BlockError> {
    Driver::find().map(drop)
}

/// Whether devices can be resized while they are in use.
pub(super) fn driver_resizes() -> bool {
    Driver::find().is_ok_and(|driver| driver.can_resize())
}

/// Removes what a killed engine with this frontend may have left, so that another one can take its place.
///
/// # Errors
/// When another process serves the volume, what is there can't be seen, or can't be removed.
pub(super) async fn clear_leftovers(place: KernelPlace) -> Result<(), BlockError> {
    blocking(move || {
        let sysfs = Sysfs::default();
        let Some(mut driver) = takeover::reach(&sysfs)? else { return Ok(()) };
        let place = place.prepared()?;
        let _lock = place.lock(LOCK)?;
        takeover::remove_all(&mut driver, &sysfs, owner_of(&place))
    })
    .await
}

/// Whether the device with this token is there for another engine to serve.
///
/// # Errors
/// When it can't be seen whether there is one.
pub(super) async fn is_left(place: KernelPlace, token: Token) -> Result<bool, BlockError> {
    blocking(move || {
        let sysfs = Sysfs::default();
        let Some(mut driver) = takeover::reach(&sysfs)? else { return Ok(false) };
        let owner = owner_of(&place.prepared()?);
        takeover::is_left(&mut driver, &sysfs, owner, owner.with(token))
    })
    .await
}

/// A running block device.
///
/// Dropping it takes the device away from whoever uses it, without writing out what the kernel has in memory.
#[derive(Debug)]
pub struct UblkFrontend {
    volume: String,
    growth: UblkGrowth,
    /// `None` only while it is being stopped.
    device: Option<StartedDevice>,
}

impl UblkFrontend {
    /// Takes over what a killed engine left, or starts a new device, and publishes it. Needs root.
    ///
    /// # Errors
    /// When another process serves the volume, or a step fails; the steps before it are undone then.
    pub async fn start<D: BlockDevice>(device: Arc<D>, place: KernelPlace) -> Result<Self, BlockError> {
        let volume = place.before.volume.clone();
        let runtime = Handle::current();
        let served = Arc::clone(&device);
        let (started, owner) = blocking(move || start(&served, place, &runtime)).await?;
        let (id, node) = (started.id, started.node.clone());
        let presence = started.presence.clone();
        let growth = UblkGrowth { id, owner, presence, size_bytes: Arc::new(move || device.size()) };
        let frontend = Self { volume, growth, device: Some(started) };
        // If this fails, the device goes away with `frontend`.
        blocking(move || publish(id, &node)).await?;
        Ok(frontend)
    }

    /// Number of the device: 3 for `ublkb3`.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.growth.id
    }
}

fn start<D: BlockDevice>(
    device: &Arc<D>,
    place: KernelPlace,
    runtime: &Handle,
) -> Result<(StartedDevice, u64), BlockError> {
    let place = place.prepared()?;
    let lock = place.lock(LOCK)?;
    let mut driver = Driver::find()?;
    let (info, queues) = match takeover::take_over(&mut driver, device, &place, runtime)? {
        Some(taken_over) => taken_over,
        None => {
            fuse_loop::clear_leftovers(place.before.clone())?;
            add(&mut driver, device, &place, runtime)?
        }
    };
    queues.want(true);
    let (id, node, presence) = (info.id, place.node(), Presence::of_started());
    Ok((StartedDevice { id, node, queues, presence, _lock: lock }, info.owner))
}

/// A new device. Whatever fails, none is left.
fn add<D: BlockDevice>(
    driver: &mut Driver,
    device: &Arc<D>,
    place: &KernelPlace,
    runtime: &Handle,
) -> Result<(DeviceInfo, Queues), BlockError> {
    let queues = std::thread::available_parallelism().map_or(1, usize::from).min(QUEUES_MAXIMUM);
    let wanted = DeviceInfo {
        queues: queues as u16,
        depth: DEPTH,
        state: DeviceState::Dead,
        largest_request_bytes: LARGEST_REQUEST_BYTES,
        id: ANY_ID,
        features: Features(0),
        owner: owner_of(place).with(place.tenure.attach(Lasting::Ublk)?),
    };
    let info = driver.add(&wanted).explain(|| "add a ublk device".into(), SEE_KERNEL)?;
    let serve = |driver: &mut Driver| {
        let attempt = || format!("start ublk device {}", info.id);
        driver.set_parameters(info.id, &parameters(device.size())).explain(attempt, SEE_KERNEL)?;
        let channel = channel::open(&Sysfs::default(), info.id, &place.node())?;
        let queues = Queues::start(device, channel, &info, runtime)?;
        driver.start(info.id).explain(attempt, SEE_KERNEL)?;
        Ok(queues)
    };
    // The threads of queues that are served already end with the device.
    serve(driver).map(|queues| (info, queues)).inspect_err(|_| {
        if let Err(error) = takeover::remove(driver, info.id) {
            tracing::warn!(id = info.id, %error, "a ublk device is left behind");
        }
    })
}

fn parameters(size_bytes: u64) -> Parameters {
    Parameters {
        size_bytes,
        logical_block_bytes: SECTOR_BYTES,
        physical_block_bytes: BLOCK_SIZE as u32,
        largest_request_bytes: LARGEST_REQUEST_BYTES,
        discard_granularity_bytes: BLOCK_SIZE as u32,
        largest_discard_bytes: LARGEST_DISCARD_BYTES,
    }
}

impl Frontend for UblkFrontend {
    fn kind(&self) -> FrontendKind {
        FrontendKind::Ublk
    }

    fn endpoint(&self) -> String {
        self.device.as_ref().map(|device| device.node.display().to_string()).unwrap_or_default()
    }

    fn resizer(&self) -> Resizer {
        Resizer::of_ublk(self.growth.clone())
    }

    async fn stop(mut self, force: bool) -> Result<(), StopRefused<Self>> {
        let taken_down = take_down(&mut self.device, &self.volume, force).await;
        taken_down.map_err(|error| StopRefused { frontend: Box::new(self), error: error.into() })
    }
}

impl Drop for UblkFrontend {
    fn drop(&mut self) {
        let Some(device) = self.device.take() else { return };
        tracing::warn!(volume = self.volume, "the block device is dropped without being stopped");
        std::thread::spawn(move || {
            if let Err(error) = device.give_up() {
                tracing::warn!(%error, "the block device is left behind");
            }
        });
    }
}
