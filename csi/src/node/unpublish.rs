//! `NodeUnpublishVolume`: a pod sees the volume no more. What it wrote stays with the staging mount, which is written out when it
//! goes.

use super::stage::absolute;
use super::unmount::{self, InUse};
use crate::csi::{NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse};
use crate::driver::Driver;
use crate::failure::Failure;
use crate::names;

pub(super) async fn volume(
    driver: &Driver,
    request: &NodeUnpublishVolumeRequest,
) -> Result<NodeUnpublishVolumeResponse, Failure> {
    let name = names::path_part(&request.volume_id)?;
    let target = absolute("target_path", &request.target_path)?;
    let _turn = driver.node_turns().take(name).await?;
    unmount::all(&target, InUse::GoLazily).await?;
    unmount::remove(&target)?;
    Ok(NodeUnpublishVolumeResponse {})
}
