//! `NodePublishVolume`: a pod sees the volume.

use std::path::Path;

use aurochs_api::volume::Volume;

use super::device::Device;
use super::stage::{self, absolute, block_file};
use super::{crypt, filesystem, mounts, unmount};
use crate::capability::{Form, Sharing, Use};
use crate::csi::{NodePublishVolumeRequest, NodePublishVolumeResponse};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::names;

pub(super) async fn volume(
    driver: &Driver,
    request: &NodePublishVolumeRequest,
) -> Result<NodePublishVolumeResponse, Failure> {
    let name = names::path_part(&request.volume_id)?;
    let target = absolute("target_path", &request.target_path)?;
    let staging = absolute("staging_target_path", &request.staging_target_path)?;
    let wanted = Use::of(request.volume_capability.as_ref())?;
    let _turn = driver.node_turns().take(name).await?;
    let volume = driver.manager().volume(name).await?;
    check_workloads(&volume)?;
    let raw = Device::of(&volume, driver.node())?;
    let device = if crypt::is_wanted(volume.encrypted, &request.volume_context)? {
        crypt::open(name, &raw, &request.secrets, "node-publish", &staging).await?
    } else {
        raw
    };
    // Mostly there is nothing to do: only where the engine has a new device since then.
    stage::ensure(name, &device, &staging, &wanted, &request.volume_context).await?;
    match &wanted.form {
        Form::Block => block(&device, &block_file(&staging, name), &target, request.readonly).await?,
        Form::Filesystem { options, .. } => {
            check_alone(&device, &wanted, &staging, &target)?;
            mounted(&device, &staging, &target, options, request.readonly).await?;
        }
    }
    Ok(NodePublishVolumeResponse {})
}

/// Pods that neither wait for the volume nor all run are ending: they are not given a mount that nobody would take away.
fn check_workloads(volume: &Volume) -> Result<(), Failure> {
    let pods = volume.kubernetes_status.workloads_status.as_deref().unwrap_or_default();
    let are = |status: &str| pods.iter().filter(|pod| pod.pod_status == status).count();
    if pods.is_empty() || are("Pending") > 0 || are("Running") == pods.len() {
        return Ok(());
    }
    Err(Failure::busy(format_args!("no pod waits for volume {}", volume.name)))
}

/// ReadWriteOncePod.
fn check_alone(device: &Device, wanted: &Use, staging: &Path, target: &Path) -> Result<(), Failure> {
    if wanted.sharing != Sharing::Pod {
        return Ok(());
    }
    let other = mounts::of(device.number)?
        .into_iter()
        .find(|mount| mount.root == Path::new("/") && mount.at != staging && mount.at != target);
    let Some(other) = other else { return Ok(()) };
    let message = format_args!("the volume is for one pod, and another has it at {}", other.at.display());
    Err(Failure::wrong_state(message, "End that pod first."))
}

async fn block(device: &Device, staged: &Path, target: &Path, read_only: bool) -> Result<(), Failure> {
    if mounts::at(target)?.is_some() {
        if Device::number_of(target) == Some(device.number) {
            return Ok(());
        }
        unmount::all(target, unmount::InUse::GoLazily).await?;
    }
    filesystem::file(target)?;
    filesystem::bind(staged, target, &[], read_only).await
}

async fn mounted(
    device: &Device,
    staging: &Path,
    target: &Path,
    options: &[String],
    read_only: bool,
) -> Result<(), Failure> {
    if let Some(mount) = mounts::at(target)? {
        if mount.device == device.number {
            if mount.is_read_only() == (read_only || options.iter().any(|option| option == "ro")) {
                return Ok(());
            }
            let message = format_args!("the volume is published at {} in another way", target.display());
            return Err(Failure::new(Kind::Exists, message, "Unpublish it there first."));
        }
        // The staging mount holds what there is to be written.
        unmount::all(target, unmount::InUse::GoLazily).await?;
    }
    filesystem::directory(target)?;
    filesystem::bind(staging, target, options, read_only).await
}

#[cfg(test)]
mod tests {
    use aurochs_api::volume::{KubernetesStatus, WorkloadStatus};

    use super::*;

    #[test]
    fn pods_that_want_it() {
        for (statuses, good) in [
            (&[][..], true),
            (&["Running", "Running"], true),
            (&["Running", "Pending"], true),
            (&["Running", "Failed"], false),
            (&["Succeeded"], false),
        ] {
            let pod = |status: &&str| WorkloadStatus { pod_status: (*status).to_owned(), ..WorkloadStatus::default() };
            let workloads_status = Some(statuses.iter().map(pod).collect());
            let kubernetes_status = KubernetesStatus { workloads_status, ..KubernetesStatus::default() };
            let volume = Volume { kubernetes_status, ..Volume::default() };
            assert_eq!(check_workloads(&volume).is_ok(), good, "{statuses:?}");
        }
    }
}
