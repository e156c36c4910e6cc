//! Memory of buffers that were given back, for the next ones of the same size: requests come and go by the ten
//! thousand, and fresh memory has to be zeroed by the kernel and again by us.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::buffer::Block;

/// Sizes that are kept, in blocks: one, and those of the larger requests that clients send most.
const SIZES: [usize; 4] = [1, 16, 32, 256];
/// What is kept of each size at most: enough for what one volume has in flight.
const KEPT: [usize; 4] = [256, 32, 32, 8];

static POOL: Mutex<[Vec<Vec<Block>>; 4]> = Mutex::new([const { Vec::new() }; 4]);

fn pool() -> MutexGuard<'static, [Vec<Vec<Block>>; 4]> {
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
