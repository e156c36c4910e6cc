//! `NodeStageVolume`: the volume is mounted once for the node, or its device bound to a file there.

use std::path::{Path, PathBuf};

use super::crypt;
use super::device::Device;
use super::filesystem;
use super::mounts;
use super::unmount::{self, InUse};
use crate::capability::{Form, Use};
use crate::csi::{NodeStageVolumeRequest, NodeStageVolumeResponse};
use crate::driver::Driver;
use crate::failure::Failure;
use crate::names;
use crate::parameters::{self, Parameters};

/// Names the secret's parameter of the class.
const PURPOSE: &str = "node-stage";

pub(super) async fn volume(
    driver: &Driver,
    request: &NodeStageVolumeRequest,
) -> Result<NodeStageVolumeResponse, Failure> {
    let name = names::path_part(&request.volume_id)?;
    let staging = absolute("staging_target_path", &request.staging_target_path)?;
    let wanted = Use::of(request.volume_capability.as_ref())?;
    let _turn = driver.node_turns().take(name).await?;
    let volume = driver.manager().volume(name).await?;
    let raw = Device::of(&volume, driver.node())?;
    if !crypt::is_wanted(volume.encrypted, &request.volume_context)? {
        ensure(name, &raw, &staging, &wanted, &request.volume_context).await?;
        return Ok(NodeStageVolumeResponse {});
    }
    let plain = crypt::open(name, &raw, &request.secrets, PURPOSE, &staging).await?;
    let staged = ensure(name, &plain, &staging, &wanted, &request.volume_context).await;
    if staged.is_err()
        && let Err(failure) = crypt::close(name).await
    {
        // Somebody has it already. Where nobody had, an open plain side would keep the volume from being detached.
        tracing::info!(volume = name, %failure, "the plain side stays open");
    }
    staged.map(|()| NodeStageVolumeResponse {})
}

/// A path of a request; relative ones depend on where the driver was started.
pub(super) fn absolute(field: &str, path: &str) -> Result<PathBuf, Failure> {
    if path.is_empty() {
        return Err(Failure::missing(field));
    }
    if !path.starts_with('/') || path.contains('\0') {
        return Err(Failure::invalid(format_args!("{field} {path:?} is no absolute path"), ""));
    }
    Ok(path.into())
}

/// The file that the device of a block volume is bound to.
pub(super) fn block_file(staging: &Path, volume: &str) -> PathBuf {
    staging.join(volume)
}

/// Stages what is not staged yet. To be called in the volume's turn.
pub(super) async fn ensure(
    volume: &str,
    device: &Device,
    staging: &Path,
    wanted: &Use,
    context: &Parameters,
) -> Result<(), Failure> {
    match &wanted.form {
        Form::Block => block(device, staging, &block_file(staging, volume)).await,
        Form::Filesystem { kind, options } => {
            mounted(device, staging, kind, options, &parameters::mkfs_arguments(context)?).await
        }
    }
}

async fn block(device: &Device, staging: &Path, file: &Path) -> Result<(), Failure> {
    if Device::number_of(file) == Some(device.number) {
        return Ok(());
    }
    // An older device of the volume, which is no more.
    unmount::all(file, InUse::GoLazily).await?;
    filesystem::directory(staging)?;
    filesystem::file(file)?;
    filesystem::bind(&device.path, file, &[], false).await
}

async fn mounted(
    device: &Device,
    staging: &Path,
    kind: &str,
    options: &[String],
    arguments: &[&str],
) -> Result<(), Failure> {
    let wants_read_only = options.iter().any(|option| option == "ro");
    if let Some(mount) = mounts::at(staging)? {
        if mount.device == device.number && (wants_read_only || !mount.is_unwritable()) {
            return filesystem::grow(&mount, device).await;
        }
        let owner = Device::owner(mount.device);
        if let Some(other) = owner.as_ref().filter(|_| mount.device != device.number) {
            let message = format_args!("volume {other} is mounted at {}", staging.display());
            return Err(Failure::wrong_state(message, "Unstage it there first."));
        }
        tracing::warn!(staging = %staging.display(), "what is staged is of no use any more, and staged anew");
        unmount::all(staging, if owner.is_some() { InUse::Fail } else { InUse::GoLazily }).await?;
    }
    filesystem::directory(staging)?;
    // A file system that pods still have is mounted here once more; there is nothing to be made or checked.
    if mounts::of(device.number)?.is_empty() {
        filesystem::prepare(device, kind, arguments).await?;
    }
    filesystem::mount(device, kind, options, staging).await?;
    let mount = mounts::at(staging)?;
    let mount =
        mount.ok_or_else(|| Failure::internal(format_args!("{} is not mounted after all", staging.display()), ""))?;
    if mount.is_unwritable() && !wants_read_only {
        let message = format_args!("the file system on {} can't be written after a failure", device.path.display());
        return Err(Failure::internal(
            message,
            "End all pods of this node that use it; it is checked and mounted anew.",
        ));
    }
    filesystem::grow(&mount, device).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert!(absolute("a", "").is_err() && absolute("a", "x/y").is_err());
        assert_eq!(absolute("a", "/x"), Ok(PathBuf::from("/x")));
    }
}
