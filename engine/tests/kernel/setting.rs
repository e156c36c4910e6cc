//! A driver of the kernel, a node, and a volume with two replicas on it: what most tests begin with.

use std::path::PathBuf;

use crate::driver::Driver;
use crate::evidence::Evidence;
use crate::node::{Engine, MIB, Node, TestVolume};
use crate::{assert_equal_replicas, be_elsewhere, kill_engine};

/// Small: each byte goes to two replicas, and is compared.
pub(crate) const SIZE: u64 = 64 * MIB;

pub(crate) struct Setting {
    /// Keeps the logs of the node, so it is dropped before that.
    _evidence: Evidence,
    pub(crate) volume: TestVolume,
    pub(crate) node: Node,
    driver: Driver,
}

impl Setting {
    pub(crate) async fn new(driver: &'static str, volume: &str) -> Self {
        let driver = Driver::load(driver);
        let node = Node::start().await;
        let evidence = Evidence::of(node.root.path());
        let volume = node.create(volume, SIZE, 2).await;
        Self { _evidence: evidence, volume, node, driver }
    }

    /// Where a file system may be mounted.
    pub(crate) fn mount_point(&self) -> PathBuf {
        self.node.root.path().join("mnt")
    }

    /// An engine that has chosen this kind of device, and the device.
    pub(crate) async fn attach(&self, kind: &str) -> (Engine, PathBuf) {
        let engine = self.node.attach(&self.volume, "blockdev").await;
        let status = engine.status().await;
        assert_eq!(status.frontend, kind, "{}", status.frontend_reason);
        (engine, status.endpoint.into())
    }

    /// What was attached is killed, and another one attached.
    pub(crate) async fn attach_after_kill(&self, engine: &Engine, kind: &str) -> (Engine, PathBuf) {
        kill_engine(engine).await;
        self.attach(kind).await
    }

    /// Another node has the volume for a moment.
    pub(crate) async fn be_elsewhere(&self) {
        be_elsewhere(&self.node, &self.volume).await;
    }

    /// Nothing is attached any more: the replicas have the same bytes, and nobody uses the driver.
    pub(crate) async fn end(self) {
        assert_equal_replicas(&self.node, &self.volume).await;
        self.driver.unload().await;
    }
}
