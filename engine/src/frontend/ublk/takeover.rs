//! The device that a killed engine left.
//!
//! The driver keeps it, with its requests, until it has another server or is deleted. Nothing in the kernel names the
//! volume of a device; each carries a number of ours ([`super::owner`]).

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tokio::runtime::Handle;

use super::driver::Driver;
use super::growth::take_size;
use super::layout::{DeviceInfo, DeviceState};
use super::owner::Owner;
use super::queue::Queues;
use super::sysfs::Sysfs;
use super::{KernelPlace, SEE_KERNEL, channel, fuse_loop, node, owner_of};
use crate::frontend::block_error::{BlockError, Explain};
use crate::frontend::tenure::Lasting;
use crate::frontend::{BlockDevice, freeze};

/// So long may the kernel take to notice that a process has ended, and to put its requests back.
const NOTICE_PATIENCE: Duration = Duration::from_secs(10);
const NOTICE_POLL: Duration = Duration::from_millis(20);

/// Serves the one device that may go on, and removes all others of the volume. `None`: there is none, or not any more.
pub(super) fn take_over<D: BlockDevice>(
    driver: &mut Driver,
    device: &Arc<D>,
    place: &KernelPlace,
    runtime: &Handle,
) -> Result<Option<(DeviceInfo, Queues)>, BlockError> {
    let sysfs = Sysfs::default();
    let wanted = place.tenure.inherited_as(Lasting::Ublk).map(|token| owner_of(place).with(token));
    let all = devices_of(driver, &sysfs, owner_of(place))?;
    let (goes_on, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|info| Some(info.owner) == wanted);
    remove_each(driver, &others)?;
    // Two of them can't be told apart.
    if let [info] = goes_on[..] {
        match recover(driver, &sysfs, device, place, &info, runtime) {
            Ok(queues) => {
                tracing::info!(id = info.id, "took over the ublk device of an engine that is gone");
                after(driver, &sysfs, info.id, device.size());
                return Ok(Some((info, queues)));
            }
            Err(error) => {
                tracing::warn!(id = info.id, %error, "the ublk device of an engine that is gone can't be taken over");
            }
        }
    }
    // Whoever comes after us must not go on with it either, whatever becomes of us.
    place.tenure.clone().start_afresh()?;
    remove_each(driver, &goes_on)?;
    if !(goes_on.is_empty() && others.is_empty()) {
        // If it is mounted, its users get I/O errors until they unmount it; the name is free for the next one.
        node::remove(&place.node())?;
    }
    Ok(None)
}

fn recover<D: BlockDevice>(
    driver: &mut Driver,
    sysfs: &Sysfs,
    device: &Arc<D>,
    place: &KernelPlace,
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
    let channel = channel::open(sysfs, info.id, &place.node())?;
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

/// The driver, if it has any devices.
///
/// # Errors
/// There are devices and it can't be reached: any of them may be the volume's.
pub(super) fn reach(sysfs: &Sysfs) -> Result<Option<Driver>, BlockError> {
    if ids(sysfs)?.is_empty() {
        return Ok(None);
    }
    match Driver::find() {
        Ok(driver) => Ok(Some(driver)),
        // No engine can have had a device of it.
        Err(BlockError::TooOld { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn ids(sysfs: &Sysfs) -> Result<Vec<u32>, BlockError> {
    sysfs.ids().explain(|| "look for ublk devices in /sys/class/ublk-char".into(), "sysfs has to be mounted")
}

fn devices_of(driver: &mut Driver, sysfs: &Sysfs, owner: Owner) -> Result<Vec<DeviceInfo>, BlockError> {
    let mut devices = Vec::new();
    for id in ids(sysfs)? {
        match driver.info(id) {
            Ok(info) if owner.is_of(info.owner) => devices.push(info),
            Ok(_) => {}
            // It has gone meanwhile.
            Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => {}
            Err(error) => return Err(error).explain(|| format!("ask whose ublk device {id} is"), SEE_KERNEL),
        }
    }
    Ok(devices)
}

/// Whether the device that carries this number is there, and was started.
pub(super) fn is_left(driver: &mut Driver, sysfs: &Sysfs, owner: Owner, carried: u64) -> Result<bool, BlockError> {
    let mut devices = devices_of(driver, sysfs, owner)?.into_iter();
    Ok(devices.any(|info| info.owner == carried && info.state != DeviceState::Dead))
}

/// Removes every device of this owner, whoever uses it.
pub(super) fn remove_all(driver: &mut Driver, sysfs: &Sysfs, owner: Owner) -> Result<(), BlockError> {
    let devices = devices_of(driver, sysfs, owner)?;
    remove_each(driver, &devices)
}

fn remove_each(driver: &mut Driver, devices: &[DeviceInfo]) -> Result<(), BlockError> {
    for info in devices {
        tracing::info!(id = info.id, "removing the ublk device of an engine that is gone");
        remove(driver, info.id)?;
    }
    Ok(())
}

/// Afterwards nobody can hand in a request through it.
pub(super) fn remove(driver: &mut Driver, id: u32) -> Result<(), BlockError> {
    let attempt = || format!("stop ublk device {id}, which holds what is older than the volume");
    let remedy = "see the kernel's log (dmesg) for what its ublk driver says, or restart the node";
    match driver.stop(id) {
        Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => return Ok(()),
        other => other.explain(attempt, remedy)?,
    }
    if let Err(error) = driver.delete(id) {
        // It is stopped: nothing comes through it any more.
        tracing::warn!(id, %error, "a stopped ublk device is left behind");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_whose_driver_cannot_be_reached_are_not_taken_for_none() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(root.path());
        assert!(reach(&sysfs).is_err(), "sysfs can't be looked at");
        std::fs::create_dir_all(root.path().join("class/ublk-char")).unwrap();
        assert!(reach(&sysfs).unwrap().is_none(), "no devices: nothing has to be asked");
        if std::path::Path::new("/dev/ublk-control").exists() {
            return;
        }
        std::fs::create_dir(root.path().join("class/ublk-char/ublkc0")).unwrap();
        assert!(matches!(reach(&sysfs), Err(BlockError::NoDriver { .. })), "there is one, whosever it is");
    }
}
