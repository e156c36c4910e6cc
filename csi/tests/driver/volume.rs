//! One volume as Kubernetes uses it: the calls in their order, with the paths of a kubelet.

use std::path::PathBuf;

use aurochs_csi::csi::volume_capability::access_mode::Mode;
use aurochs_csi::csi::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use aurochs_csi::csi::volume_content_source::{SnapshotSource, Type, VolumeSource};
use aurochs_csi::csi::{
    CapacityRange, ControllerExpandVolumeRequest, ControllerExpandVolumeResponse, ControllerPublishVolumeRequest,
    ControllerUnpublishVolumeRequest, CreateSnapshotRequest, CreateVolumeRequest, DeleteSnapshotRequest,
    DeleteVolumeRequest, NodeExpandVolumeRequest, NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse,
    NodePublishVolumeRequest, NodeStageVolumeRequest, NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest, Snapshot,
    VolumeCapability, VolumeContentSource,
};
use tonic::Status;

use super::installation::{Installation, NODE, PATIENCE};

pub(crate) const MIB: i64 = 1 << 20;

/// Whether the kernel lets a mounted file system of this kind grow here: containers lack what ext4 asks for.
pub(crate) fn may_grow(kind: &str) -> bool {
    const SYS_RESOURCE: u64 = 1 << 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    kind != "ext4" || u64::from_str_radix(rights, 16).unwrap() & SYS_RESOURCE != 0
}

pub(crate) fn block() -> VolumeCapability {
    capability(AccessType::Block(BlockVolume {}))
}

pub(crate) fn filesystem(kind: &str) -> VolumeCapability {
    let fs_type = kind.to_owned();
    capability(AccessType::Mount(MountVolume {
        fs_type,
        mount_flags: vec!["noatime".to_owned()],
        ..Default::default()
    }))
}

fn capability(access_type: AccessType) -> VolumeCapability {
    let mode = Mode::SingleNodeWriter.into();
    VolumeCapability { access_mode: Some(AccessMode { mode }), access_type: Some(access_type) }
}

pub(crate) fn of_snapshot(id: &str) -> VolumeContentSource {
    VolumeContentSource { r#type: Some(Type::Snapshot(SnapshotSource { snapshot_id: id.to_owned() })) }
}

pub(crate) fn of_volume(id: &str) -> VolumeContentSource {
    VolumeContentSource { r#type: Some(Type::Volume(VolumeSource { volume_id: id.to_owned() })) }
}

pub(crate) fn size(bytes: i64) -> Option<CapacityRange> {
    Some(CapacityRange { required_bytes: bytes, limit_bytes: 0 })
}

/// Two replicas, so that the tests are quick.
pub(crate) fn create_request(name: &str, bytes: i64, capability: &VolumeCapability) -> CreateVolumeRequest {
    CreateVolumeRequest {
        name: name.to_owned(),
        capacity_range: size(bytes),
        volume_capabilities: vec![capability.clone()],
        parameters: [("numberOfReplicas".to_owned(), "2".to_owned())].into(),
        ..CreateVolumeRequest::default()
    }
}

/// Of a Kubernetes secret.
pub(crate) type Secrets = std::collections::HashMap<String, String>;

pub(crate) struct Volume<'a> {
    pub(crate) installation: &'a Installation,
    pub(crate) id: String,
    pub(crate) capability: VolumeCapability,
    pub(crate) context: std::collections::HashMap<String, String>,
}

impl<'a> Volume<'a> {
    pub(crate) async fn create(installation: &'a Installation, request: CreateVolumeRequest) -> Result<Self, Status> {
        let capability = request.volume_capabilities[0].clone();
        let made = installation.controller().create_volume(request).await?.into_inner().volume.unwrap();
        Ok(Self { installation, id: made.volume_id, capability, context: made.volume_context })
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.installation.root.join("globalmount").join(&self.id)
    }

    /// Where the pod sees it.
    pub(crate) fn target(&self) -> PathBuf {
        self.installation.root.join("pods").join(&self.id).join("mount")
    }

    fn text(path: PathBuf) -> String {
        path.to_str().unwrap().to_owned()
    }

    pub(crate) async fn attach(&self) -> Result<(), Status> {
        let request = ControllerPublishVolumeRequest {
            volume_id: self.id.clone(),
            node_id: NODE.to_owned(),
            volume_capability: Some(self.capability.clone()),
            volume_context: self.context.clone(),
            ..ControllerPublishVolumeRequest::default()
        };
        self.installation.controller().controller_publish_volume(request).await.map(drop)
    }

    /// As often as Kubernetes would, as long as the volume is being filled.
    pub(crate) async fn attach_when_ready(&self) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            match self.attach().await {
                Err(status) if status.code() == tonic::Code::Aborted && std::time::Instant::now() < deadline => {
                    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                }
                attached => return attached.unwrap(),
            }
        }
    }

    pub(crate) async fn stage(&self) -> Result<(), Status> {
        self.stage_with(&Secrets::new()).await
    }

    pub(crate) async fn stage_with(&self, secrets: &Secrets) -> Result<(), Status> {
        // The kubelet makes the directory.
        std::fs::create_dir_all(self.staging()).unwrap();
        let request = NodeStageVolumeRequest {
            volume_id: self.id.clone(),
            staging_target_path: Self::text(self.staging()),
            volume_capability: Some(self.capability.clone()),
            volume_context: self.context.clone(),
            secrets: secrets.clone(),
            ..NodeStageVolumeRequest::default()
        };
        self.installation.node().node_stage_volume(request).await.map(drop)
    }

    pub(crate) fn publish_request(&self) -> NodePublishVolumeRequest {
        NodePublishVolumeRequest {
            volume_id: self.id.clone(),
            staging_target_path: Self::text(self.staging()),
            target_path: Self::text(self.target()),
            volume_capability: Some(self.capability.clone()),
            volume_context: self.context.clone(),
            ..NodePublishVolumeRequest::default()
        }
    }

    pub(crate) async fn publish(&self) -> Result<(), Status> {
        self.installation.node().node_publish_volume(self.publish_request()).await.map(drop)
    }

    pub(crate) async fn unpublish(&self) -> Result<(), Status> {
        let request = NodeUnpublishVolumeRequest { volume_id: self.id.clone(), target_path: Self::text(self.target()) };
        self.installation.node().node_unpublish_volume(request).await.map(drop)
    }

    pub(crate) async fn unstage(&self) -> Result<(), Status> {
        let request =
            NodeUnstageVolumeRequest { volume_id: self.id.clone(), staging_target_path: Self::text(self.staging()) };
        self.installation.node().node_unstage_volume(request).await.map(drop)
    }

    pub(crate) async fn detach(&self) -> Result<(), Status> {
        let request = ControllerUnpublishVolumeRequest {
            volume_id: self.id.clone(),
            node_id: NODE.to_owned(),
            ..ControllerUnpublishVolumeRequest::default()
        };
        self.installation.controller().controller_unpublish_volume(request).await.map(drop)
    }

    pub(crate) async fn delete(&self) -> Result<(), Status> {
        let request = DeleteVolumeRequest { volume_id: self.id.clone(), ..DeleteVolumeRequest::default() };
        self.installation.controller().delete_volume(request).await.map(drop)
    }

    /// All the way to a pod.
    pub(crate) async fn begin(&self) {
        self.attach_when_ready().await;
        self.stage().await.unwrap();
        self.publish().await.unwrap();
    }

    /// And back.
    pub(crate) async fn end(&self) {
        self.unpublish().await.unwrap();
        self.unstage().await.unwrap();
        self.detach().await.unwrap();
    }

    pub(crate) async fn snapshot(&self, name: &str, kind: &str) -> Result<Snapshot, Status> {
        let request = CreateSnapshotRequest {
            source_volume_id: self.id.clone(),
            name: name.to_owned(),
            parameters: [("type".to_owned(), kind.to_owned())].into(),
            ..CreateSnapshotRequest::default()
        };
        let answer = self.installation.controller().create_snapshot(request).await?;
        Ok(answer.into_inner().snapshot.unwrap())
    }

    pub(crate) async fn expand(&self, bytes: i64) -> Result<ControllerExpandVolumeResponse, Status> {
        let request = ControllerExpandVolumeRequest {
            volume_id: self.id.clone(),
            capacity_range: size(bytes),
            volume_capability: Some(self.capability.clone()),
            ..ControllerExpandVolumeRequest::default()
        };
        self.installation.controller().controller_expand_volume(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn expand_on_node(&self, bytes: i64) -> Result<(), Status> {
        self.expand_on_node_with(bytes, &Secrets::new()).await
    }

    pub(crate) async fn expand_on_node_with(&self, bytes: i64, secrets: &Secrets) -> Result<(), Status> {
        let request = NodeExpandVolumeRequest {
            volume_id: self.id.clone(),
            volume_path: Self::text(self.target()),
            capacity_range: size(bytes),
            staging_target_path: Self::text(self.staging()),
            volume_capability: Some(self.capability.clone()),
            secrets: secrets.clone(),
        };
        self.installation.node().node_expand_volume(request).await.map(drop)
    }

    pub(crate) async fn stats(&self) -> Result<NodeGetVolumeStatsResponse, Status> {
        let request = NodeGetVolumeStatsRequest {
            volume_id: self.id.clone(),
            volume_path: Self::text(self.target()),
            staging_target_path: Self::text(self.staging()),
        };
        self.installation.node().node_get_volume_stats(request).await.map(tonic::Response::into_inner)
    }

    /// Bytes of the file system.
    pub(crate) async fn filesystem_bytes(&self) -> i64 {
        self.stats().await.unwrap().usage[0].total
    }
}

pub(crate) async fn delete_snapshot(installation: &Installation, id: &str) -> Result<(), Status> {
    let request = DeleteSnapshotRequest { snapshot_id: id.to_owned(), ..DeleteSnapshotRequest::default() };
    installation.controller().delete_snapshot(request).await.map(drop)
}
