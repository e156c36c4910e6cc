//! What a node reserves on its first disk does not depend on which nodes come up first.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test says by panicking what went wrong")]

#[path = "installed/installation/leftovers.rs"]
mod leftovers;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aurochs_server::instance::Network;
use aurochs_server::resources::{Node, Object};
use aurochs_server::standalone::{Layout, Manager, Options};

const NODES: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(60);
/// Of each node's share, by default.
const RESERVED_PERCENT: u64 = 30;

struct Installation {
    data: tempfile::TempDir,
    manager: Option<Manager>,
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.manager.take();
        leftovers::end(self.data.path());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_shares_its_first_disk_with_nodes_that_do_not_answer_yet() {
    let data = tempfile::tempdir().unwrap();
    let layout = Layout::make(data.path(), u32::try_from(NODES).unwrap()).unwrap();
    // Without a log, the instance managers of the other nodes can't be started.
    for node in &layout.nodes[1..] {
        std::fs::create_dir(layout.logs().join(format!("instance-manager-{node}.log"))).unwrap();
    }
    let test = std::env::current_exe().unwrap();
    let engine: PathBuf = test.ancestors().nth(2).unwrap().join("aurochs-engine");
    let options = Options {
        data: data.path().to_owned(),
        nodes: u32::try_from(NODES).unwrap(),
        address: "127.0.0.1:0".parse().unwrap(),
        network: Network::default(),
        engine_binary: Some(engine),
        zones: Vec::new(),
    };
    let manager = Some(Manager::start(&options).await.unwrap());
    let installation = Installation { data, manager };
    let store = installation.manager.as_ref().unwrap().app.store.clone();

    let started = Instant::now();
    let known = |node: &Object<Node>| !node.status.disk_status.is_empty();
    let node = loop {
        let found = store.find::<Node>("node-1").await.unwrap().filter(known);
        assert!(started.elapsed() < PATIENCE, "node-1 got no disk");
        match found {
            Some(node) => break node,
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    assert!(store.find::<Node>("node-2").await.unwrap().is_none(), "nobody has heard of it yet");
    let reserved = node.spec.disks.values().next().unwrap().storage_reserved.bytes();
    // Nobody else is known to the store, so that the whole file system counts as its own.
    let whole = node.status.disk_status.values().next().unwrap().storage_maximum.bytes();
    let expected = whole / NODES * RESERVED_PERCENT / 100;
    assert!(reserved.abs_diff(expected) <= whole / 1000, "{reserved} of {whole}, and not {expected}");
}
