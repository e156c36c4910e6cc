//! FUSE and a loop device, which most kernels have, on the kernel of the other parts.

use std::path::PathBuf;

use crate::assert_equal_replicas;
use crate::driver::Driver;
use crate::evidence::Evidence;
use crate::file_system::FileSystem;
use crate::node::{MIB, Node};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel without nbd and ublk loaded: make test-kernel"]
async fn a_file_system_lives_on_it() {
    let driver = Driver::load("loop");
    let node = Node::start().await;
    let _evidence = Evidence::of(node.root.path());
    let volume = node.create("lives", 64 * MIB, 2).await;
    let engine = node.attach(&volume, "blockdev").await;
    let status = engine.status().await;
    assert_eq!(status.frontend, "fuse-loop", "{}", status.frontend_reason);
    FileSystem::live(&PathBuf::from(status.endpoint), &node.root.path().join("mnt")).await;
    node.stop(&engine.name).await;
    assert_equal_replicas(&node, &volume).await;
    driver.unload().await;
}
