//! What a node reserves on its first disk does not depend on which nodes come up first.

use aurochs_server::recurring::clock::Clock;
use aurochs_server::resources::Node;
use aurochs_server::standalone::Layout;

use crate::installation::Installation;

const NODES: u32 = 3;
/// Of each node's share, by default.
const RESERVED_PERCENT: u64 = 30;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_shares_its_first_disk_with_nodes_that_do_not_answer_yet() {
    let mut installation = Installation::empty(&[], Clock::default());
    let layout = Layout::make(installation.path(), NODES).unwrap();
    // Without a log, the instance managers of the other nodes can't be started.
    for node in &layout.nodes[1..] {
        std::fs::create_dir(layout.logs().join(format!("instance-manager-{node}.log"))).unwrap();
    }
    installation.launch_manager(NODES).await;
    installation
        .until("node-1 has a disk", async |store| {
            store.find::<Node>("node-1").await.unwrap().is_some_and(|node| !node.status.disk_status.is_empty())
        })
        .await;
    let store = installation.store();
    assert!(store.find::<Node>("node-2").await.unwrap().is_none(), "nobody has heard of it yet");
    let node = store.get::<Node>("node-1").await.unwrap();
    let reserved = node.spec.disks.values().next().unwrap().storage_reserved.bytes();
    // Nobody else is known to the store, so that the whole file system counts as its own.
    let whole = node.status.disk_status.values().next().unwrap().storage_maximum.bytes();
    let expected = whole / u64::from(NODES) * RESERVED_PERCENT / 100;
    assert!(reserved.abs_diff(expected) <= whole / 1000, "{reserved} of {whole}, and not {expected}");
}
