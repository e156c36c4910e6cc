//! What concerns a volume on this node: one file for each call, over what they share.
//!
//! `mounts` tells what is mounted, `programs` runs the tools, `content` says what a device holds, `filesystem` makes, checks and
//! grows file systems, `device` finds the volume's device, `crypt` opens encrypted ones. The invariants are in the crate's documentation.

mod content;
mod crypt;
mod device;
mod expand;
mod filesystem;
mod info;
mod mounts;
mod programs;
mod publish;
mod stage;
mod stats;
mod unmount;
mod unpublish;
mod unstage;

use tonic::{Request, Response, Status};

use crate::csi::node_server::Node;
use crate::csi::node_service_capability::{Rpc, Type, rpc};
use crate::csi::{
    NodeExpandVolumeRequest, NodeExpandVolumeResponse, NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse,
    NodeGetInfoRequest, NodeGetInfoResponse, NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse,
    NodePublishVolumeRequest, NodePublishVolumeResponse, NodeServiceCapability, NodeStageVolumeRequest,
    NodeStageVolumeResponse, NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse, NodeUnstageVolumeRequest,
    NodeUnstageVolumeResponse,
};
use crate::driver::Driver;

const OFFERED: [rpc::Type; 5] = [
    rpc::Type::GetVolumeStats,
    rpc::Type::StageUnstageVolume,
    rpc::Type::ExpandVolume,
    rpc::Type::SingleNodeMultiWriter,
    rpc::Type::VolumeCondition,
];

#[derive(Clone, Debug)]
pub struct NodeService(pub Driver);

#[tonic::async_trait]
impl Node for NodeService {
    async fn node_stage_volume(
        &self,
        request: Request<NodeStageVolumeRequest>,
    ) -> Result<Response<NodeStageVolumeResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = format!("{} at {}", request.volume_id, request.staging_target_path);
        self.0.run("NodeStageVolume", what, async move { stage::volume(&driver, &request).await }).await
    }

    async fn node_unstage_volume(
        &self,
        request: Request<NodeUnstageVolumeRequest>,
    ) -> Result<Response<NodeUnstageVolumeResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = format!("{} at {}", request.volume_id, request.staging_target_path);
        self.0.run("NodeUnstageVolume", what, async move { unstage::volume(&driver, &request).await }).await
    }

    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Result<Response<NodePublishVolumeResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = format!("{} at {}", request.volume_id, request.target_path);
        self.0.run("NodePublishVolume", what, async move { publish::volume(&driver, &request).await }).await
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Result<Response<NodeUnpublishVolumeResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = format!("{} at {}", request.volume_id, request.target_path);
        self.0.run("NodeUnpublishVolume", what, async move { unpublish::volume(&driver, &request).await }).await
    }

    async fn node_get_volume_stats(
        &self,
        request: Request<NodeGetVolumeStatsRequest>,
    ) -> Result<Response<NodeGetVolumeStatsResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = format!("{} at {}", request.volume_id, request.volume_path);
        self.0.run("NodeGetVolumeStats", what, async move { stats::volume(&driver, &request).await }).await
    }

    async fn node_expand_volume(
        &self,
        request: Request<NodeExpandVolumeRequest>,
    ) -> Result<Response<NodeExpandVolumeResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = format!("{} at {}", request.volume_id, request.volume_path);
        self.0.run("NodeExpandVolume", what, async move { expand::volume(&driver, &request).await }).await
    }

    async fn node_get_capabilities(
        &self,
        _: Request<NodeGetCapabilitiesRequest>,
    ) -> Result<Response<NodeGetCapabilitiesResponse>, Status> {
        let offered = |kind: rpc::Type| NodeServiceCapability { r#type: Some(Type::Rpc(Rpc { r#type: kind.into() })) };
        let capabilities = OFFERED.into_iter().map(offered).collect();
        Ok(Response::new(NodeGetCapabilitiesResponse { capabilities }))
    }

    async fn node_get_info(&self, _: Request<NodeGetInfoRequest>) -> Result<Response<NodeGetInfoResponse>, Status> {
        let driver = self.0.clone();
        self.0.run("NodeGetInfo", driver.node().to_owned(), async move { info::of(&driver).await }).await
    }
}
