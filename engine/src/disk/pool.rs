//! Memory of buffers that were given back, for the next ones of the same size: requests come and go by the ten
//! thousand, and fresh memory has to be zeroed by the kernel and again by us.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::buffer::Block;

/// Sizes that are kept, in blocks: one, those of the larger requests that clients send most, and that of a full piece of a
/// rebuild with the block in front of it.
const SIZES: [usize; CLASSES] = [1, 16, 32, 256, 257];
const CLASSES: usize = 5;
/// What is kept of each size at most: enough for what one volume has in flight.
const KEPT: [usize; CLASSES] = [256, 32, 32, 8, 8];

static POOL: Mutex<[Vec<Vec<Block>>; CLASSES]> = Mutex::new([const { Vec::new() }; CLASSES]);

fn pool() -> MutexGuard<'static, [Vec<Vec<Block>>; CLASSES]> {
    // Whatever is in there is free memory.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn class(blocks: usize) -> Option<usize> {
    SIZES.iter().position(|&size| size == blocks)
}

/// Memory of `blocks` blocks with anything in it.
pub(super) fn take(blocks: usize) -> Option<Vec<Block>> {
    pool()[class(blocks)?].pop()
}

/// Keeps memory that nobody uses any more, if there is room for it. That of a buffer that was cut is larger than it
/// looks, and is not kept.
pub(super) fn give(memory: Vec<Block>) {
    if let Some(class) = class(memory.len()).filter(|_| memory.capacity() == memory.len()) {
        let kept = &mut pool()[class];
        if kept.len() < KEPT[class] {
            kept.push(memory);
        }
    }
}

/// Gives everything kept back to the heap.
pub(crate) fn empty() {
    for kept in pool().iter_mut() {
        *kept = Vec::new();
    }
}
