//! Where a volume has data: nothing that was written is ever called a hole.

use super::super::ReplicaError;
use super::{BLOCK, Replica, Scratch, put, take};

const BLOCKS: usize = 64;

fn ranges(replica: &Replica) -> Vec<(u64, u64)> {
    replica.allocation(0, replica.size(), usize::MAX).unwrap()
}

/// In blocks instead of bytes.
fn blocks(replica: &Replica) -> Vec<(usize, usize)> {
    ranges(replica).iter().map(|&(offset, length)| (offset as usize / BLOCK, length as usize / BLOCK)).collect()
}

#[test]
fn every_layer_counts_and_holes_are_holes_again() {
    let scratch = Scratch::new(BLOCKS);
    let replica = scratch.open();
    assert_eq!(ranges(&replica), []);
    put(&replica, 4, 2, 1);
    take(&replica, "s1");
    put(&replica, 6, 1, 2);
    put(&replica, 40, 4, 3);
    assert_eq!(blocks(&replica), [(4, 3), (40, 4)], "neighbours in two layers are one range");
    replica.discard(40 * BLOCK as u64, 2 * BLOCK as u64).unwrap();
    assert_eq!(blocks(&replica), [(4, 3), (42, 2)]);
    replica.write_zeroes(4 * BLOCK as u64, BLOCK as u64, true).unwrap();
    assert_eq!(blocks(&replica), [(4, 3), (42, 2)], "zeros that hide data take space");
    replica.write_zeroes(43 * BLOCK as u64, BLOCK as u64, true).unwrap();
    assert_eq!(blocks(&replica), [(4, 3), (42, 1)]);
    replica.write_zeroes(50 * BLOCK as u64, BLOCK as u64, false).unwrap();
    assert_eq!(blocks(&replica), [(4, 3), (42, 1), (50, 1)]);
    replica.close().unwrap();
    assert_eq!(blocks(&scratch.open()), [(4, 3), (42, 1), (50, 1)], "the same after another open");
}

#[test]
fn a_part_of_the_volume_and_a_part_of_the_answer() {
    let scratch = Scratch::new(BLOCKS);
    let replica = scratch.open();
    (0..BLOCKS).step_by(4).for_each(|block| put(&replica, block, 2, 1));
    let block = BLOCK as u64;
    assert_eq!(replica.allocation(0, replica.size(), 3).unwrap(), [0, 4, 8].map(|at| (at * block, 2 * block)));
    assert_eq!(replica.allocation(5 * block + 100, 3 * block, 9).unwrap(), [(5 * block, block), (8 * block, block)]);
    assert_eq!(replica.allocation(6 * block, 2 * block, 9).unwrap(), []);
    assert!(matches!(replica.allocation(block, replica.size(), 9), Err(ReplicaError::OutOfRange { .. })));
}

/// A block is written into the head and punched out of the removed layer below it while somebody asks.
#[test]
fn data_that_a_purge_moves_is_never_a_hole() {
    let scratch = Scratch::new(BLOCKS);
    let replica = scratch.open();
    put(&replica, 3, 2, 1);
    take(&replica, "s");
    replica.mark_removed(&["s".to_owned()]).unwrap();
    let mut first_time = true;
    std::thread::scope(|scope| {
        let found = replica.allocation_while(0, replica.size(), usize::MAX, || {
            if std::mem::take(&mut first_time) {
                put(&replica, 3, 2, 2);
                let purge = scope.spawn(|| replica.purge());
                // It knows what to punch, and waits for those who may have looked before the head had it.
                while !replica.gate.is_wanted() && !purge.is_finished() {
                    std::thread::yield_now();
                }
            }
        });
        assert_eq!(found.unwrap(), [(3 * BLOCK as u64, 2 * BLOCK as u64)]);
    });
    assert_eq!(
        replica.layer_extents("volume-snap-s.img", 0, usize::MAX).unwrap(),
        [],
        "the head alone has the data now"
    );
    assert_eq!(blocks(&replica), [(3, 2)]);
}
