//! The device that a killed engine left.
//!
//! The driver keeps it, with its requests, until it has another server or is deleted. Nothing in the kernel names the
//! volume of a device; each carries a number of ours that follows from it ([`super::UblkConfig`]).

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tokio::runtime::Handle;

use super::driver::Driver;
use super::growth::take_size;
use super::layout::{DeviceInfo, DeviceState};
use super::queue::Queues;
use super::sysfs::Sysfs;
use super::{SEE_KERNEL, UblkConfig, channel, fuse_loop, node};
use crate::frontend::block_error::{BlockError, Explain};
use crate::frontend::{BlockDevice, freeze};

/// So long may the kernel take to notice that a process has ended, and to put its requests back.
const NOTICE_PATIENCE: Duration = Duration::from_secs(10);
const NOTICE_POLL: Duration = Duration::from_millis(20);

/// Serves the device that an earlier engine of this volume started. `None`: there is none, or not any more.
pub(super) fn take_over<D: BlockDevice>(
    driver: &mut Driver,
    device: &Arc<D>,
    config: &UblkConfig,
    runtime: &Handle,
) -> Result<Option<(DeviceInfo, Queues)>, BlockError> {
    let sysfs = Sysfs::default();
    let mut taken = None;
    for info in devices_of(driver, &sysfs, config.owner()) {
        if taken.is_some() {
            remove(driver, info.id);
            continue;
        }
        match recover(driver, &sysfs, device, config, &info, runtime) {
            Ok(queues) => taken = Some((info, queues)),
            Err(error) => {
                tracing::warn!(id = info.id, %error, "the ublk device of an engine that is gone can't be taken over and is removed");
                remove(driver, info.id);
                // If it is mounted, its users get I/O errors until they unmount it; the name is free for the next one.
                node::remove(&config.node())?;
            }
        }
    }
    if let Some((info, _)) = &taken {
        tracing::info!(id = info.id, "took over the ublk device of an engine that is gone");
        after(driver, &sysfs, info.id, device.size());
    }
    Ok(taken)
}

fn recover<D: BlockDevice>(
    driver: &mut Driver,
    sysfs: &Sysfs,
    device: &Arc<D>,
    config: &UblkConfig,
    info: &DeviceInfo,
    runtime: &Handle,
) -> Result<Queues, BlockError> {
    let attempt = || format!("take over ublk device {}", info.id);
    if info.state == DeviceState::Dead {
        let never = io::Error::new(io::ErrorKind::NotConnected, "it was not started, or was stopped");
        return Err(never).explain(attempt, "nothing has to be done");
    }
    let deadline = Instant::now() + NOTICE_PATIENCE;
    loop {
        match driver.start_recovery(info.id) {
            Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) && Instant::now() < deadline => {
                std::thread::sleep(NOTICE_POLL);
            }
            other => break other.explain(attempt, SEE_KERNEL)?,
        }
    }
    let channel = channel::open(sysfs, info.id, &config.node())?;
    let queues = Queues::start(device, channel, info, runtime)?;
    driver.end_recovery(info.id).explain(attempt, SEE_KERNEL)?;
    Ok(queues)
}

/// The volume may have grown meanwhile, and the engine may have been killed while it held a file system frozen.
fn after(driver: &mut Driver, sysfs: &Sysfs, id: u32, size_bytes: u64) {
    if sysfs.size_bytes(id).is_ok_and(|shown| shown != size_bytes)
        && let Err(error) = take_size(driver, id, size_bytes)
    {
        tracing::warn!(id, %error, "users of the ublk device see its old size");
    }
    if let Some(mounted) = sysfs.block_number(id).ok().and_then(fuse_loop::mounted_number) {
        freeze::thaw_leftover(mounted);
    }
}

fn devices_of(driver: &mut Driver, sysfs: &Sysfs, owner: u64) -> Vec<DeviceInfo> {
    let infos = sysfs.ids().into_iter().filter_map(|id| driver.info(id).ok());
    infos.filter(|info| info.owner == owner).collect()
}

/// Whether this owner has a device that was started.
pub(super) fn is_left(driver: &mut Driver, owner: u64) -> bool {
    devices_of(driver, &Sysfs::default(), owner).iter().any(|info| info.state != DeviceState::Dead)
}

/// Removes every device of this owner, whoever uses it.
pub(super) fn remove_all(driver: &mut Driver, owner: u64) {
    for info in devices_of(driver, &Sysfs::default(), owner) {
        tracing::info!(id = info.id, "removing the ublk device of an engine that is gone");
        remove(driver, info.id);
    }
}

pub(super) fn remove(driver: &mut Driver, id: u32) {
    if let Err(error) = driver.stop(id).and_then(|()| driver.delete(id)) {
        tracing::warn!(id, %error, "a ublk device is left behind");
    }
}
