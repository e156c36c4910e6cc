//! A snapshot of another branch whose image is lost: what it stands on stays until the image is back, or until
//! somebody gives the snapshot up.

use std::path::PathBuf;

use super::super::{LayerInfo, PurgeState, ReplicaError, names};
use super::{BLOCK, CREATED, Replica, Scratch, bytes_in, head_bytes, put, take};

const LOST: &str = "volume-snap-lost.img";

/// ```text
///   a ◄── b ◄── lost          `lost` holds block 3 alone and shows 1 2 2 3 0 0 0 0
///         └──── c ◄── head
/// ```
struct Branched {
    scratch: Scratch,
    saved: PathBuf,
}

const SEEN_FROM_LOST: [u8; 8] = [1, 2, 2, 3, 0, 0, 0, 0];

impl Branched {
    /// Closed, and the image of `lost` is elsewhere.
    fn new() -> Self {
        let scratch = Scratch::new(8);
        let replica = scratch.open();
        put(&replica, 0, 3, 1);
        take(&replica, "a");
        put(&replica, 1, 2, 2);
        take(&replica, "b");
        put(&replica, 3, 1, 3);
        take(&replica, "lost");
        replica.revert("b", CREATED).unwrap();
        put(&replica, 1, 3, 4);
        take(&replica, "c");
        put(&replica, 6, 1, 5);
        replica.close().unwrap();
        let saved = scratch.dir.with_file_name("saved.img");
        std::fs::rename(scratch.dir.join(LOST), &saved).unwrap();
        Self { scratch, saved }
    }

    fn put_back(&self) {
        std::fs::rename(&self.saved, self.scratch.dir.join(LOST)).unwrap();
    }
}

fn mark(replica: &Replica, snapshots: &[&str]) {
    replica.mark_removed(&snapshots.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
}

fn images(replica: &Replica) -> Vec<String> {
    replica.layers().unwrap().into_iter().filter(|layer| !layer.is_head).map(|layer| layer.file_name).collect()
}

fn missing(replica: &Replica) -> Vec<String> {
    let layers = replica.layers().unwrap();
    layers.into_iter().filter(|layer| layer.image_missing).map(|layer| layer.file_name).collect()
}

#[test]
fn a_purge_leaves_what_it_stands_on_and_says_so() {
    let branched = Branched::new();
    let replica = branched.scratch.open();
    mark(&replica, &["b", "a"]);
    let told = replica.purge().unwrap_err();
    assert!(
        matches!(&told, ReplicaError::HeldByMissingImage { held, by } if held.contains("-b.") && by == LOST),
        "{told}"
    );
    assert!(
        matches!(replica.purge_status().state, PurgeState::Failed { error } if error.contains("put that file back"))
    );
    // What only b stood on has been merged into it all the same.
    assert_eq!(images(&replica), ["volume-snap-b.img", "volume-snap-c.img", LOST]);
    drop(replica);
    branched.put_back();
    let replica = branched.scratch.open();
    assert_eq!(bytes_in(&replica, LOST), SEEN_FROM_LOST);
    replica.purge().unwrap();
    assert_eq!(bytes_in(&replica, LOST), SEEN_FROM_LOST);
}

#[test]
fn a_removed_layer_on_which_it_alone_stands_is_no_leaf() {
    let branched = Branched::new();
    let replica = branched.scratch.open();
    replica.revert("a", CREATED).unwrap();
    mark(&replica, &["b", "c"]);
    replica.delete_removed_leaves().unwrap();
    assert_eq!(images(&replica), ["volume-snap-a.img", "volume-snap-b.img", LOST]);
    assert!(replica.purge().is_err());
    drop(replica);
    branched.put_back();
    assert_eq!(bytes_in(&branched.scratch.open(), LOST), SEEN_FROM_LOST);
}

#[test]
fn a_discard_stops_at_what_it_stands_on() {
    let branched = Branched::new();
    let replica = branched.scratch.open();
    mark(&replica, &["b", "c"]);
    replica.discard(0, 8 * BLOCK as u64).unwrap();
    assert_eq!(head_bytes(&replica), [1, 2, 2, 0, 0, 0, 0, 0], "what is seen from b");
    drop(replica);
    branched.put_back();
    assert_eq!(bytes_in(&branched.scratch.open(), LOST), SEEN_FROM_LOST);
}

#[test]
fn it_is_listed_and_neither_read_nor_replaced() {
    let branched = Branched::new();
    let replica = branched.scratch.open();
    assert_eq!(missing(&replica), [LOST]);
    let no_image = |error: ReplicaError| {
        assert!(matches!(&error, ReplicaError::ImageMissing { file_name } if file_name == LOST), "{error}");
    };
    let head = head_bytes(&replica);
    no_image(replica.read_layer_chain(LOST, 0, 1).unwrap_err());
    no_image(replica.layer_extents(LOST, 0, 1).unwrap_err());
    no_image(replica.revert("lost", CREATED).unwrap_err());
    let taken = replica.snapshot("lost", true, CREATED, &std::collections::BTreeMap::new());
    assert!(matches!(taken, Err(ReplicaError::SnapshotExists { .. })));
    assert_eq!(head_bytes(&replica), head);
    replica.close().unwrap();
    assert!(branched.scratch.listing().contains(&names::meta_of(LOST)));
}

#[test]
fn given_up_it_goes_and_what_it_held_back_goes_with_the_next_purge() {
    let branched = Branched::new();
    let replica = branched.scratch.open();
    mark(&replica, &["b"]);
    replica.remove_snapshot("lost").unwrap();
    replica.purge().unwrap();
    assert_eq!(images(&replica), ["volume-snap-a.img", "volume-snap-c.img"]);
    assert!(!branched.scratch.listing().iter().any(|file| file.contains("snap-lost")));
    take(&replica, "lost");
    assert_eq!(missing(&replica), [""; 0]);
}

/// Members decide alike what a discard empties, so a copy has to know of the lost snapshot too.
#[test]
fn a_rebuilt_replica_lacks_the_image_too_and_discards_alike() {
    let branched = Branched::new();
    let source = branched.scratch.open();
    mark(&source, &["b", "c"]);
    let layers = source.layers().unwrap();
    let target_branch = Branched::new();
    let target = target_branch.scratch.open();
    target.rebuild_begin(&layers).unwrap();
    for layer in layers.iter().filter(|layer| !layer.is_head && !layer.image_missing) {
        for (offset, length) in source.layer_extents(&layer.file_name, 0, usize::MAX).unwrap() {
            let data = source.layer_read(&layer.file_name, offset, u32::try_from(length).unwrap()).unwrap();
            target.layer_write(&layer.file_name, offset, &data).unwrap();
        }
    }
    target.rebuild_finish().unwrap();
    let below = |replica: &Replica| -> Vec<LayerInfo> {
        let layers = replica.layers().unwrap().into_iter().filter(|layer| !layer.is_head);
        layers.map(|layer| LayerInfo { allocated_bytes: 0, ..layer }).collect()
    };
    assert_eq!(below(&target), below(&source));
    target.close().unwrap();
    drop(target);
    let target = target_branch.scratch.open();
    assert_eq!(missing(&target), [LOST]);
    for replica in [&source, &target] {
        replica.discard(0, 8 * BLOCK as u64).unwrap();
        assert_eq!(head_bytes(replica), [1, 2, 2, 0, 0, 0, 0, 0]);
    }
}
