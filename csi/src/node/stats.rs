//! `NodeGetVolumeStats`: how full the volume is, and how it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aurochs_api::volume::{Robustness, Volume};
use nix::sys::statvfs::{Statvfs, statvfs};

use super::device::Device;
use super::mounts::{self, Mount};
use crate::csi::volume_usage::Unit;
use crate::csi::{NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse, VolumeCondition, VolumeUsage};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::size::signed;

/// A file system whose device does not answer may not answer either.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn volume(
    driver: &Driver,
    request: &NodeGetVolumeStatsRequest,
) -> Result<NodeGetVolumeStatsResponse, Failure> {
    if request.volume_id.is_empty() {
        return Err(Failure::missing("volume_id"));
    }
    if request.volume_path.is_empty() {
        return Err(Failure::missing("volume_path"));
    }
    let volume = driver.manager().volume(&request.volume_id).await?;
    let path = Path::new(&request.volume_path);
    let mount = mounts::at(path)?.ok_or_else(|| {
        let message = format_args!("volume {} is not at {}", volume.name, path.display());
        Failure::new(Kind::NotFound, message, "")
    })?;
    if Device::number_of(path).is_some() {
        let usage = VolumeUsage { total: signed(volume.size), unit: Unit::Bytes.into(), ..VolumeUsage::default() };
        return Ok(NodeGetVolumeStatsResponse { usage: vec![usage], volume_condition: Some(condition(&volume, None)) });
    }
    let found = look(path.to_owned()).await?;
    Ok(NodeGetVolumeStatsResponse {
        usage: usage(&found).into(),
        volume_condition: Some(condition(&volume, Some(&mount))),
    })
}

async fn look(path: PathBuf) -> Result<Statvfs, Failure> {
    let shown = path.display().to_string();
    let looking = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(move || statvfs(&path))).await;
    let Ok(looked) = looking else {
        let message = format_args!("the file system at {shown} does not answer");
        return Err(Failure::new(Kind::TimedOut, message, "Look at the state of the volume."));
    };
    let looked = looked.map_err(|error| Failure::internal(error, ""))?;
    looked.map_err(|error| Failure::internal(format_args!("looking at {shown} failed: {error}"), ""))
}

fn usage(found: &Statvfs) -> [VolumeUsage; 2] {
    let block = found.fragment_size();
    let number = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    let bytes = |blocks: u64| number(blocks.saturating_mul(block));
    [
        VolumeUsage {
            available: bytes(found.blocks_available()),
            total: bytes(found.blocks()),
            used: bytes(found.blocks().saturating_sub(found.blocks_free())),
            unit: Unit::Bytes.into(),
        },
        VolumeUsage {
            available: number(found.files_free()),
            total: number(found.files()),
            used: number(found.files().saturating_sub(found.files_free())),
            unit: Unit::Inodes.into(),
        },
    ]
}

/// What a person should know of it.
fn condition(volume: &Volume, mount: Option<&Mount>) -> VolumeCondition {
    if mount.is_some_and(|mount| mount.is_unwritable()) {
        let message = "the file system can't be written: it was mounted so, or has failed";
        return VolumeCondition { abnormal: true, message: message.to_owned() };
    }
    let word = match volume.robustness {
        Robustness::Healthy => {
            return VolumeCondition { abnormal: false, message: "the volume is healthy".to_owned() };
        }
        Robustness::Degraded => "degraded",
        Robustness::Faulted => "faulted",
        Robustness::Unknown => "in an unknown state",
    };
    let why = volume.causes.first().map(|cause| format!(": {}", cause.message)).unwrap_or_default();
    VolumeCondition { abnormal: true, message: format!("the volume is {word}{why}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let of = |robustness| condition(&Volume { robustness, ..Volume::default() }, None);
        assert!(!of(Robustness::Healthy).abnormal);
        for abnormal in [Robustness::Degraded, Robustness::Faulted, Robustness::Unknown] {
            assert!(of(abnormal).abnormal, "{abnormal:?}");
        }
    }
}
