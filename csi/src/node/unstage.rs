//! `NodeUnstageVolume`: the node is done with the volume, and all that was written is with it.

use std::path::Path;
use std::time::Duration;

use super::device::Device;
use super::stage::{absolute, block_file};
use super::unmount::{self, InUse};
use super::{crypt, mounts};
use crate::csi::{NodeUnstageVolumeRequest, NodeUnstageVolumeResponse};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::names;
use crate::wait::Wait;

/// So long processes that are ending may have what was mounted here in their own mount namespaces.
const ENDING_PATIENCE: Duration = Duration::from_secs(10);

/// The manager is not asked: it may be gone, and the volume too.
pub(super) async fn volume(
    driver: &Driver,
    request: &NodeUnstageVolumeRequest,
) -> Result<NodeUnstageVolumeResponse, Failure> {
    let name = names::path_part(&request.volume_id)?;
    let staging = absolute("staging_target_path", &request.staging_target_path)?;
    let _turn = driver.node_turns().take(name).await?;
    if let Some(mount) = mounts::at(&staging)? {
        let owner = Device::owner(mount.device);
        if let Some(other) = owner.as_ref().filter(|owner| *owner != name) {
            let message = format_args!("what is mounted at {} is volume {other}, not {name}", staging.display());
            return Err(Failure::wrong_state(message, "Unstage that volume there."));
        }
        unmount::all(&staging, if owner.is_some() { InUse::Fail } else { InUse::GoLazily }).await?;
    }
    // Not before: what has that name in a file system is its user's.
    block(name, &block_file(&staging, name)).await?;
    crypt::close(name).await?;
    // Also when nothing was mounted here: a call before this one may have come as far as that.
    if let Some(device) = Device::attached(name) {
        check_released(&device).await?;
    }
    Ok(NodeUnstageVolumeResponse {})
}

async fn block(volume: &str, file: &Path) -> Result<(), Failure> {
    if let Some(number) = Device::number_of(file) {
        // Pods write it without a file system that would be unmounted.
        let device = Device { path: file.to_owned(), number, below: None };
        let written = device.write_out().await;
        match written {
            Err(failure) if Device::owner(number).as_deref() == Some(volume) => return Err(failure),
            Err(failure) => tracing::warn!(%failure, "the device is gone already"),
            Ok(()) => {}
        }
    }
    unmount::all(file, InUse::GoLazily).await?;
    unmount::remove(file)
}

/// A file system that was unmounted here may still be mounted elsewhere: in the mount namespace of a process that is left, or
/// where a bind went out of sight. Then what was written there is not with the volume.
async fn check_released(device: &Device) -> Result<(), Failure> {
    if let Some(mount) = mounts::of(device.number)?.first() {
        let message = format_args!("the volume is still mounted at {}", mount.at.display());
        return Err(Failure::internal(message, "Unpublish it there; it is tried again."));
    }
    let mut wait = Wait::new(ENDING_PATIENCE);
    loop {
        match device.open_alone().await {
            Err(failure) if failure.is(Kind::Busy) => {}
            opened => return opened.map(drop),
        }
        if wait.again("").await.is_err() {
            let message = format_args!("{} is still in use on this node", device.path.display());
            return Err(Failure::internal(message, "End the processes that use the volume; it is tried again."));
        }
    }
}
