//! What concerns a volume anywhere in the installation: one file for each thing that is done.

mod backing_image;
mod backup;
mod capacity;
mod create;
mod delete;
mod expand;
mod publish;
mod recurring_jobs;
mod snapshot;
mod source;
mod tickets;
mod topology;
mod unpublish;
mod validate;

use tonic::{Request, Response, Status};

pub(crate) use self::topology::keys as topology_keys;
use crate::csi::controller_server::Controller;
use crate::csi::controller_service_capability::{Rpc, Type, rpc};
use crate::csi::{
    ControllerExpandVolumeRequest, ControllerExpandVolumeResponse, ControllerGetCapabilitiesRequest,
    ControllerGetCapabilitiesResponse, ControllerGetVolumeRequest, ControllerGetVolumeResponse,
    ControllerModifyVolumeRequest, ControllerModifyVolumeResponse, ControllerPublishVolumeRequest,
    ControllerPublishVolumeResponse, ControllerServiceCapability, ControllerUnpublishVolumeRequest,
    ControllerUnpublishVolumeResponse, CreateSnapshotRequest, CreateSnapshotResponse, CreateVolumeRequest,
    CreateVolumeResponse, DeleteSnapshotRequest, DeleteSnapshotResponse, DeleteVolumeRequest, DeleteVolumeResponse,
    GetCapacityRequest, GetCapacityResponse, GetSnapshotRequest, GetSnapshotResponse, ListSnapshotsRequest,
    ListSnapshotsResponse, ListVolumesRequest, ListVolumesResponse, ValidateVolumeCapabilitiesRequest,
    ValidateVolumeCapabilitiesResponse,
};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};

const OFFERED: [rpc::Type; 7] = [
    rpc::Type::CreateDeleteVolume,
    rpc::Type::PublishUnpublishVolume,
    rpc::Type::ExpandVolume,
    rpc::Type::CreateDeleteSnapshot,
    rpc::Type::CloneVolume,
    rpc::Type::GetCapacity,
    rpc::Type::SingleNodeMultiWriter,
];

#[derive(Clone, Debug)]
pub struct ControllerService(pub Driver);

fn not_offered(call: &str) -> Status {
    Failure::new(Kind::NotOffered, format_args!("{call} is not offered by this driver"), "").into()
}

#[tonic::async_trait]
impl Controller for ControllerService {
    async fn create_volume(
        &self,
        request: Request<CreateVolumeRequest>,
    ) -> Result<Response<CreateVolumeResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = request.name.clone();
        self.0.run("CreateVolume", what, async move { create::volume(&driver, &request).await }).await
    }

    async fn delete_volume(
        &self,
        request: Request<DeleteVolumeRequest>,
    ) -> Result<Response<DeleteVolumeResponse>, Status> {
        let (driver, what) = (self.0.clone(), request.into_inner().volume_id);
        let name = what.clone();
        self.0.run("DeleteVolume", what, async move { delete::volume(&driver, &name).await }).await
    }

    async fn controller_publish_volume(
        &self,
        request: Request<ControllerPublishVolumeRequest>,
    ) -> Result<Response<ControllerPublishVolumeResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = format!("{} on {}", request.volume_id, request.node_id);
        self.0.run("ControllerPublishVolume", what, async move { publish::volume(&driver, &request).await }).await
    }

    async fn controller_unpublish_volume(
        &self,
        request: Request<ControllerUnpublishVolumeRequest>,
    ) -> Result<Response<ControllerUnpublishVolumeResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = format!("{} on {}", request.volume_id, request.node_id);
        self.0.run("ControllerUnpublishVolume", what, async move { unpublish::volume(&driver, &request).await }).await
    }

    async fn validate_volume_capabilities(
        &self,
        request: Request<ValidateVolumeCapabilitiesRequest>,
    ) -> Result<Response<ValidateVolumeCapabilitiesResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = request.volume_id.clone();
        self.0.run("ValidateVolumeCapabilities", what, async move { validate::wishes(&driver, request).await }).await
    }

    async fn get_capacity(
        &self,
        request: Request<GetCapacityRequest>,
    ) -> Result<Response<GetCapacityResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        self.0.run("GetCapacity", String::new(), async move { capacity::of(&driver, &request).await }).await
    }

    async fn controller_get_capabilities(
        &self,
        _: Request<ControllerGetCapabilitiesRequest>,
    ) -> Result<Response<ControllerGetCapabilitiesResponse>, Status> {
        let offered =
            |kind: rpc::Type| ControllerServiceCapability { r#type: Some(Type::Rpc(Rpc { r#type: kind.into() })) };
        let capabilities = OFFERED.into_iter().map(offered).collect();
        Ok(Response::new(ControllerGetCapabilitiesResponse { capabilities }))
    }

    async fn create_snapshot(
        &self,
        request: Request<CreateSnapshotRequest>,
    ) -> Result<Response<CreateSnapshotResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = format!("{} of {}", request.name, request.source_volume_id);
        self.0.run("CreateSnapshot", what, async move { snapshot::create(&driver, &request).await }).await
    }

    async fn delete_snapshot(
        &self,
        request: Request<DeleteSnapshotRequest>,
    ) -> Result<Response<DeleteSnapshotResponse>, Status> {
        let (driver, what) = (self.0.clone(), request.into_inner().snapshot_id);
        let id = what.clone();
        self.0.run("DeleteSnapshot", what, async move { snapshot::delete(&driver, &id).await }).await
    }

    async fn controller_expand_volume(
        &self,
        request: Request<ControllerExpandVolumeRequest>,
    ) -> Result<Response<ControllerExpandVolumeResponse>, Status> {
        let (driver, request) = (self.0.clone(), request.into_inner());
        let what = request.volume_id.clone();
        self.0.run("ControllerExpandVolume", what, async move { expand::volume(&driver, &request).await }).await
    }

    async fn list_volumes(&self, _: Request<ListVolumesRequest>) -> Result<Response<ListVolumesResponse>, Status> {
        Err(not_offered("ListVolumes"))
    }

    async fn list_snapshots(
        &self,
        _: Request<ListSnapshotsRequest>,
    ) -> Result<Response<ListSnapshotsResponse>, Status> {
        Err(not_offered("ListSnapshots"))
    }

    async fn get_snapshot(&self, _: Request<GetSnapshotRequest>) -> Result<Response<GetSnapshotResponse>, Status> {
        Err(not_offered("GetSnapshot"))
    }

    async fn controller_get_volume(
        &self,
        _: Request<ControllerGetVolumeRequest>,
    ) -> Result<Response<ControllerGetVolumeResponse>, Status> {
        Err(not_offered("ControllerGetVolume"))
    }

    async fn controller_modify_volume(
        &self,
        _: Request<ControllerModifyVolumeRequest>,
    ) -> Result<Response<ControllerModifyVolumeResponse>, Status> {
        Err(not_offered("ControllerModifyVolume"))
    }
}
