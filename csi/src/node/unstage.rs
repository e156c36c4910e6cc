//! `NodeUnstageVolume`: the node is done with the volume, and all that was written is with it.

use std::path::Path;

use super::device::Device;
use super::mounts::{self, Number};
use super::stage::{absolute, block_file};
use super::unmount::{self, InUse};
use crate::csi::{NodeUnstageVolumeRequest, NodeUnstageVolumeResponse};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::names;

/// Where the kernel shows a block device by its number.
const BY_NUMBER: &str = "/sys/dev/block";

/// The manager is not asked: it may be gone, and the volume too.
pub(super) async fn volume(
    driver: &Driver,
    request: &NodeUnstageVolumeRequest,
) -> Result<NodeUnstageVolumeResponse, Failure> {
    let name = names::path_part(&request.volume_id)?;
    let staging = absolute("staging_target_path", &request.staging_target_path)?;
    let _turn = driver.node_turns().take(name).await?;
    let own = Path::new(DEVICES).join(name);
    block(&block_file(&staging, name)).await?;
    if let Some(mount) = mounts::at(&staging)? {
        let is_gone = !Path::new(BY_NUMBER).join(format!("{}:{}", mount.device.major, mount.device.minor)).exists();
        let is_stale = is_gone || Device::number_of(&own).is_some_and(|now| now != mount.device);
        unmount::all(&staging, if is_stale { InUse::GoLazily } else { InUse::Fail }).await?;
        if !is_stale {
            check_released(&own, mount.device).await?;
        }
    }
    Ok(NodeUnstageVolumeResponse {})
}

/// Where attached volumes have their devices.
const DEVICES: &str = "/dev/longhorn";

async fn block(file: &Path) -> Result<(), Failure> {
    if let Some(number) = Device::number_of(file) {
        // Pods write it without a file system that would be unmounted.
        let device = Device { path: file.to_owned(), number };
        let written = device.write_out().await;
        let is_gone = !Path::new(BY_NUMBER).join(format!("{}:{}", number.major, number.minor)).exists();
        match written {
            Err(failure) if !is_gone => return Err(failure),
            Err(failure) => tracing::warn!(%failure, "the device is gone already"),
            Ok(()) => {}
        }
    }
    unmount::all(file, InUse::GoLazily).await?;
    unmount::remove(file)
}

/// A file system that was unmounted here may still be mounted elsewhere: in the mount namespace of a process that is left, or
/// where a bind went out of sight. Then what was written there is not with the volume.
async fn check_released(own: &Path, number: Number) -> Result<(), Failure> {
    if let Some(mount) = mounts::of(number)?.first() {
        let message = format_args!("the volume is still mounted at {}", mount.at.display());
        return Err(Failure::internal(message, "Unpublish it there; it is tried again."));
    }
    let Some(device) = Device::at(own).ok().filter(|device| device.number == number) else { return Ok(()) };
    match device.open_alone().await {
        Err(failure) if failure.is(Kind::Busy) => {
            let message = format_args!("{} is still in use on this node", own.display());
            Err(Failure::internal(message, "End the processes that use the volume; it is tried again."))
        }
        Err(failure) => Err(failure),
        Ok(_) => Ok(()),
    }
}
