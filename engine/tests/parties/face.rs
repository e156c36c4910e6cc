//! The gRPC face of a volume, as its engine's process has it, behind a proxy.

use std::path::Path;

use aurochs_engine::grpc::engine_service::{Offer, Phase, Service};
use aurochs_engine::grpc::engine_v1::engine_server::EngineServer;
use aurochs_engine::grpc::engine_v1::{CloneState, CloneStatus};
use aurochs_engine::volume::clone::CloneRequest;
use tokio::sync::watch;

use super::proxy::Proxy;
use super::{TestEngine, VOLUME};

pub struct Face {
    pub proxy: Proxy,
    _phase: watch::Sender<Phase>,
    serving: tokio::task::JoinHandle<()>,
}

impl Face {
    /// Its sockets are made in `root`.
    pub async fn of(engine: &TestEngine, root: &Path) -> Self {
        let real = root.join("grpc.real");
        let listener = tokio::net::UnixListener::bind(&real).unwrap();
        let volume = engine.run(|volume| async move { volume }).await;
        let (phase, phases) = watch::channel(Phase::Up { volume, offer: Offer::default() });
        let connections = tokio_stream::wrappers::UnixListenerStream::new(listener);
        let server = tonic::transport::Server::builder().add_service(EngineServer::new(Service { phase: phases }));
        let serving = tokio::spawn(async move { server.serve_with_incoming(connections).await.unwrap() });
        Self { proxy: Proxy::start(&root.join("grpc.sock"), &real).await, _phase: phase, serving }
    }

    /// A clone of snapshot `s` under its own name.
    pub fn request(&self) -> CloneRequest {
        CloneRequest {
            address: self.proxy.address.clone(),
            volume: VOLUME.into(),
            snapshot: "s".into(),
            new_snapshot: String::new(),
            include_backing_file: false,
        }
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl TestEngine {
    pub async fn begin_clone(&self, request: CloneRequest) {
        self.run(|volume| async move { volume.clone_from_snapshot(request).await }).await.unwrap();
    }

    /// Waits for the end of the clone.
    pub async fn clone_over(&self) -> CloneStatus {
        let is_over = |clone: &CloneStatus| clone.state() != CloneState::InProgress;
        let over = self.wait("the clone is over", |status| status.clone.as_ref().is_some_and(is_over)).await;
        over.clone.unwrap()
    }

    pub async fn wait_copied(&self, bytes: u64) {
        let enough = |clone: &CloneStatus| clone.done_bytes >= bytes;
        self.wait("a part is copied", |status| status.clone.as_ref().is_some_and(enough)).await;
    }
}
