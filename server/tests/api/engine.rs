//! An engine that answers on a port, in the place of the engine's process: its snapshots are a list in memory, and it
//! writes what it has into its resource, as the engine controller does.

use std::net::SocketAddr;
use std::pin::Pin;

use aurochs_api::snapshot::Snapshot as ApiSnapshot;
use aurochs_api::volume::VolumeState;
use aurochs_engine::grpc::engine_v1::engine_server::{Engine, EngineServer};
use aurochs_engine::grpc::engine_v1::{
    BackupCreateRequest, BackupNameRequest, BackupRestoreRequest, BackupStatus, EngineStatus, ExpandRequest,
    RebuildPaceSetRequest, ReplicaAddRequest, ReplicaNameRequest, Snapshot, SnapshotChunk, SnapshotCloneRequest,
    SnapshotCreateRequest, SnapshotHashLockReply, SnapshotHashRequest, SnapshotHashState, SnapshotLimitsSetRequest,
    SnapshotNameRequest, SnapshotPurgeRequest, SnapshotReadAtReply, SnapshotReadAtRequest, SnapshotReadRequest,
    StatusRequest, UnmapMarkSnapChainRemovedRequest,
};
use aurochs_server::resources::engine::{EngineSpec, InstanceState};
use aurochs_server::resources::{self, Object, Volume};
use aurochs_server::store::Store;
use futures::Stream;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::harness::Manager;

const NAME: &str = "data-e-0";
/// A snapshot that the engine has and its resource does not show yet.
pub(crate) const JUST_TAKEN: &str = "just-taken";
/// What its snapshots have grown to, which the resource does not show yet.
pub(crate) const SIZE_NOW: u64 = 5 << 20;

/// Attaches the volume `data`, in maintenance mode or not, with such an engine.
pub(crate) async fn attach(manager: &Manager, disable_frontend: bool) {
    let just_taken = Snapshot { name: JUST_TAKEN.to_owned(), ..Snapshot::default() };
    attach_telling(manager, disable_frontend, Ok(EngineStatus { snapshots: vec![just_taken], ..<_>::default() })).await;
}

/// The same with an engine that answers this when it is asked for its status.
pub(crate) async fn attach_telling(manager: &Manager, disable_frontend: bool, told: Result<EngineStatus, Status>) {
    manager.add_volume("data", VolumeState::Attached).await;
    let volume = manager.store().get::<Volume>("data").await.unwrap();
    let address = serve(InMemory { store: manager.store().clone(), told }).await;
    let spec = EngineSpec { volume_name: "data".to_owned(), disable_frontend, ..EngineSpec::default() };
    let engine = Object::<resources::Engine>::new(NAME, spec).owned_by_volume(&volume);
    manager.store().create(&engine).await.unwrap();
    let change = |status: &mut resources::engine::EngineStatus| {
        status.current_state = InstanceState::Running;
        status.address = format!("tcp:{address}");
        let head = ApiSnapshot { name: "volume-head".to_owned(), ..ApiSnapshot::default() };
        status.snapshots.insert(head.name.clone(), head);
    };
    manager.store().modify_status::<resources::Engine>(NAME, change).await.unwrap();
}

async fn serve(engine: InMemory) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(EngineServer::new(engine));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

struct InMemory {
    store: Store,
    told: Result<EngineStatus, Status>,
}

impl InMemory {
    /// Changes the snapshots in the resource; the test's client must not get its answer before it can be read there,
    /// so the resource is written a moment after the call.
    fn change(&self, change: impl FnMut(&mut resources::engine::EngineStatus) + Send + 'static) {
        let store = self.store.clone();
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            store.modify_status::<resources::Engine>(NAME, change).await.unwrap();
        });
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Engine for InMemory {
    async fn status(&self, _: Request<StatusRequest>) -> Answer<EngineStatus> {
        let told = self.told.clone()?;
        let known = self.store.get::<resources::Engine>(NAME).await.unwrap().status.snapshots.into_values();
        let known = known.map(|one| Snapshot {
            name: one.name,
            parent: one.parent,
            size_bytes: SIZE_NOW,
            user_created: one.usercreated,
            ..Snapshot::default()
        });
        let snapshots = known.chain(told.snapshots.clone()).collect();
        Ok(Response::new(EngineStatus { snapshots, ..told }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<EngineStatus, Status>> + Send>>;

    async fn watch(&self, _: Request<StatusRequest>) -> Answer<Self::WatchStream> {
        Ok(Response::new(Box::pin(futures::stream::pending())))
    }

    async fn snapshot_create(&self, request: Request<SnapshotCreateRequest>) -> Answer<Snapshot> {
        let asked = request.into_inner();
        if asked.name == "refused" {
            return Err(Status::failed_precondition("a replica is being rebuilt"));
        }
        let name = asked.name.clone();
        self.change(move |status| {
            let head = status.snapshots.get_mut("volume-head").unwrap();
            let parent = std::mem::replace(&mut head.parent, name.clone());
            let taken = ApiSnapshot { name: name.clone(), parent, usercreated: true, ..ApiSnapshot::default() };
            status.snapshots.insert(name.clone(), taken);
        });
        let (name, user_created, labels) = (asked.name, asked.user_created, asked.labels);
        Ok(Response::new(Snapshot { name, user_created, labels, ..Snapshot::default() }))
    }

    async fn snapshot_revert(&self, request: Request<SnapshotNameRequest>) -> Answer<EngineStatus> {
        let name = request.into_inner().name;
        self.change(move |status| status.snapshots.get_mut("volume-head").unwrap().parent.clone_from(&name));
        Ok(Response::new(EngineStatus::default()))
    }

    async fn snapshot_delete(&self, request: Request<SnapshotNameRequest>) -> Answer<EngineStatus> {
        let name = request.into_inner().name;
        self.change(move |status| drop(status.snapshots.remove(&name)));
        Ok(Response::new(EngineStatus::default()))
    }

    // Nothing of what follows is asked of it: there are no replicas here.

    async fn replica_add(&self, _: Request<ReplicaAddRequest>) -> Answer<EngineStatus> {
        Err(no_replicas())
    }

    async fn replica_remove(&self, _: Request<ReplicaNameRequest>) -> Answer<EngineStatus> {
        Err(no_replicas())
    }

    async fn expand(&self, _: Request<ExpandRequest>) -> Answer<EngineStatus> {
        Err(no_replicas())
    }

    async fn snapshot_limits_set(&self, _: Request<SnapshotLimitsSetRequest>) -> Answer<EngineStatus> {
        Err(no_replicas())
    }

    async fn rebuild_pace_set(&self, _: Request<RebuildPaceSetRequest>) -> Answer<EngineStatus> {
        Err(no_replicas())
    }

    type SnapshotReadStream = Pin<Box<dyn Stream<Item = Result<SnapshotChunk, Status>> + Send>>;

    async fn snapshot_read(&self, _: Request<SnapshotReadRequest>) -> Answer<Self::SnapshotReadStream> {
        Err(no_replicas())
    }

    async fn snapshot_read_at(&self, _: Request<SnapshotReadAtRequest>) -> Answer<SnapshotReadAtReply> {
        Err(no_replicas())
    }

    async fn snapshot_clone(&self, _: Request<SnapshotCloneRequest>) -> Answer<EngineStatus> {
        Err(no_replicas())
    }

    async fn snapshot_clone_cancel(&self, _: Request<StatusRequest>) -> Answer<EngineStatus> {
        Err(no_replicas())
    }

    async fn backup_create(&self, _: Request<BackupCreateRequest>) -> Answer<BackupStatus> {
        Err(no_replicas())
    }

    async fn backup_cancel(&self, _: Request<BackupNameRequest>) -> Answer<BackupStatus> {
        Err(no_replicas())
    }

    async fn backup_restore(&self, _: Request<BackupRestoreRequest>) -> Answer<EngineStatus> {
        Err(no_replicas())
    }

    async fn restore_cancel(&self, _: Request<StatusRequest>) -> Answer<EngineStatus> {
        Err(no_replicas())
    }

    async fn snapshot_hash(&self, _: Request<SnapshotHashRequest>) -> Answer<SnapshotHashState> {
        Err(no_replicas())
    }

    async fn snapshot_hash_status(&self, _: Request<SnapshotNameRequest>) -> Answer<SnapshotHashState> {
        Err(no_replicas())
    }

    async fn snapshot_hash_cancel(&self, _: Request<SnapshotNameRequest>) -> Answer<SnapshotHashState> {
        Err(no_replicas())
    }

    async fn snapshot_hash_lock(&self, _: Request<StatusRequest>) -> Answer<SnapshotHashLockReply> {
        Err(no_replicas())
    }

    async fn snapshot_purge(&self, _: Request<SnapshotPurgeRequest>) -> Answer<EngineStatus> {
        Err(no_replicas())
    }

    async fn unmap_mark_snap_chain_removed_set(
        &self,
        _: Request<UnmapMarkSnapChainRemovedRequest>,
    ) -> Answer<EngineStatus> {
        Err(no_replicas())
    }
}

fn no_replicas() -> Status {
    Status::unimplemented("no replicas here")
}
