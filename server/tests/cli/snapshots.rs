//! Snapshots: taken, listed, gone back to, removed, purged.

use crate::world::{World, row};

#[test]
fn snapshots_are_taken_reverted_to_removed_and_purged() {
    let world = World::start(1);
    world.volume("data", "--replicas 1");
    assert_eq!(world.ok("snapshot ls data"), "The volume has no snapshots.\n");
    world.ok("volume attach data");
    let taken = world.ok("snapshot create data first --label app=shop --timeout 2m");
    assert_eq!(taken, "Snapshot first of volume data is taken.\n");
    let unnamed = world.ok("snapshot create data -o name");
    let table = world.ok("snapshot ls data --wide");
    let shown = row(&table, "first");
    assert_eq!((shown[1], shown[4]), ("ready", "user"), "{table}");
    assert!(table.contains("app=shop") && table.contains(unnamed.trim()), "{table}");
    // The oldest first.
    assert_eq!(world.ok("snapshot ls data -o name").lines().next(), Some("first"));
    assert_eq!(world.json("snapshot show data first")["readyToUse"], true);
    assert!(world.ok("snapshot show data first").contains("Children"));

    let mounted = world.fails(1, "snapshot revert data first --yes");
    assert!(mounted.contains("next: "), "{mounted}");
    world.ok("volume detach data");
    world.ok("volume attach data --maintenance");
    let reverted = world.typed("snapshot revert data first", "y\n");
    assert_eq!(reverted.code, 0, "{reverted:?}");
    assert!(reverted.err.contains("is lost"), "{reverted:?}");

    assert!(world.typed("snapshot rm data first", "\n").code == 1);
    world.ok(&format!("snapshot rm data {} -y", unnamed.trim()));
    assert_eq!(world.ok("snapshot purge data --timeout 2m"), "Volume data is purged.\n");
    world.until("the removed snapshot is gone", || world.ok("snapshot ls data -o name") == "first\n");
    assert!(world.fails(4, "snapshot show data nothing").contains("nothing"));
}
