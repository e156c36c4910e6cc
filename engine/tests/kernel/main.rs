//! Volumes as devices of a kernel that has the drivers for them, each used as people do: format, mount, write, check,
//! compare; and with the engine killed in the middle of it. And backup targets on file servers, with the kernel's own clients
//! of NFS and CIFS.
//!
//! Ignored, because they load and unload drivers and need a kernel that has them: `make test-kernel` boots one and runs
//! them there. A module is one part of that run; `scripts/test-kernel.sh nbd` runs one alone.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod cifs;
mod cifs_server;
mod driver;
mod evidence;
mod file_system;
mod fuse_loop;
mod initiator;
mod iscsi;
mod launched;
mod nbd;
mod nfs;
mod nfs_server;
mod server_address;
mod setting;
mod share;
mod ublk;
mod writer;

#[path = "../file_device/mod.rs"]
mod file_device;
#[path = "../node/mod.rs"]
mod node;
#[path = "../parties/mod.rs"]
mod parties;

use std::path::Path;
use std::time::Duration;

use aurochs_engine::grpc::instance_v1::InstanceStopRequest;

/// Longest wait for anything; whoever needs it has failed. Processors are emulated.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

/// Looks until `found` gives something, where nothing tells of it.
pub(crate) async fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = found() {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{what} did not come about"))
}

/// Every replica has the same bytes. They are not compared one by one, which would take an emulated processor a minute.
pub(crate) async fn assert_equal_replicas(node: &node::Node, volume: &node::TestVolume) {
    let mut first: Option<Vec<u8>> = None;
    for replica in &volume.replicas {
        node.stop(replica).await;
        let content = node.content(replica);
        assert!(first.get_or_insert_with(|| content.clone()) == &content, "{replica} differs from the first one");
    }
}

/// Kills an engine and waits until it is gone.
pub(crate) async fn kill_engine(engine: &node::Engine) {
    node::kill(engine.pid);
    let process = std::path::PathBuf::from(format!("/proc/{}", engine.pid));
    wait_for("the end of the engine", || (!process.exists()).then_some(())).await;
}

/// Another node has the volume for a moment.
pub(crate) async fn be_elsewhere(node: &node::Node, volume: &node::TestVolume) {
    let mut other = node.another_node().await;
    let engine = node.try_start_engine(volume, "nbd", &other.client).await.unwrap();
    engine.wait_up().await;
    other.client.instance_stop(InstanceStopRequest { name: engine.name, grace_seconds: 30 }).await.unwrap();
}

/// Data that reaches the device, if anything does.
pub(crate) fn write_late(at: &Path) -> std::io::Result<()> {
    std::fs::write(at.join("late"), vec![1; 100_000])?;
    Ok(nix::unistd::syncfs(std::fs::File::open(at)?)?)
}
