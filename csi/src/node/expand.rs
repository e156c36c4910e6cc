//! `NodeExpandVolume`: the file system fills the volume that has grown below it.

use std::path::Path;

use super::device::Device;
use super::{crypt, filesystem, mounts};
use crate::csi::{NodeExpandVolumeRequest, NodeExpandVolumeResponse};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::names;
use crate::size::{self, signed};

pub(super) async fn volume(
    driver: &Driver,
    request: &NodeExpandVolumeRequest,
) -> Result<NodeExpandVolumeResponse, Failure> {
    let name = names::path_part(&request.volume_id)?;
    if request.volume_path.is_empty() {
        return Err(Failure::missing("volume_path"));
    }
    let wanted = request.capacity_range.as_ref().map(|range| size::wanted(Some(range))).transpose()?;
    let _turn = driver.node_turns().take(name).await?;
    let volume = driver.manager().volume(name).await?;
    let path = Path::new(&request.volume_path);
    let mount = mounts::at(path)?
        .ok_or_else(|| Failure::new(Kind::NotFound, format_args!("volume {name} is not at {}", path.display()), ""))?;
    let raw = Device::of(&volume, driver.node())?;
    let has = raw.size().await?;
    if let Some(wanted) = wanted.filter(|wanted| *wanted > has) {
        return Err(Failure::busy(format_args!("volume {name} has {has} on this node, and not {wanted} yet")));
    }
    let plain = crypt::open_already(name, &raw).await?;
    if let Some(plain) = &plain {
        crypt::grow(name, plain, &raw, &request.secrets).await?;
    }
    let device = plain.unwrap_or(raw);
    if Device::number_of(path).is_some() {
        return Ok(NodeExpandVolumeResponse { capacity_bytes: signed(has) });
    }
    if mount.device != device.number {
        let message = format_args!("what is mounted at {} is not volume {name}", path.display());
        return Err(Failure::wrong_state(message, "End the pod, so that the volume is published anew."));
    }
    filesystem::grow(&mount, &device).await?;
    Ok(NodeExpandVolumeResponse { capacity_bytes: signed(has) })
}
