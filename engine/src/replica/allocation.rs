//! Where the volume has data, as its users see it.
//!
//! Invariant: **a range that is not told of holds nothing in any layer and lies outside the backing file, so it reads as
//! zeros; every block whose write was acknowledged before the question is told of.** Allocated zeros count as data, since
//! nobody knows that they are zeros, and so does all of the backing file.
//!
//! The maps are asked while others write: first the layers below, then the head. What a purge punches out of a layer below
//! the head holds, and it punches only when those who have begun to look have ended.

use super::extent_map::Blocks;
use super::stack::{Structure, bytes_of};
use super::{Replica, ReplicaError};

/// Blocks looked at in one step: bounds what a step collects, however fragmented the images are (16,384 pieces).
const WINDOW: u64 = 1 << 14;

impl Replica {
    /// Ranges `(offset, length)` in bytes, whole blocks, that hold data, in order; neighbours are joined. At most `maximum`
    /// of them: with as many, what follows the last one is not known.
    ///
    /// # Errors
    /// [`ReplicaError::OutOfRange`] past the end, [`ReplicaError::Rebuilding`] while data may be missing.
    pub fn allocation(&self, offset: u64, length: u64, maximum: usize) -> Result<Vec<(u64, u64)>, ReplicaError> {
        self.allocation_while(offset, length, maximum, || {})
    }

    /// `meanwhile` happens between the questions to the maps, for the test of their order.
    pub(super) fn allocation_while(
        &self,
        offset: u64,
        length: u64,
        maximum: usize,
        mut meanwhile: impl FnMut(),
    ) -> Result<Vec<(u64, u64)>, ReplicaError> {
        self.check_range("a question for allocated space", offset, length)?;
        self.shared(|structure| {
            structure.complete_for("tell where data is")?;
            let wanted = super::read::touched(offset, length);
            let mut found: Vec<Blocks> = Vec::new();
            let mut at = wanted.start;
            while at < wanted.end {
                let window = at..wanted.end.min(at + WINDOW);
                at = window.end;
                for part in structure.allocated(window, &mut meanwhile)? {
                    let is_full = found.len() >= maximum;
                    match found.last_mut() {
                        Some(last) if last.end == part.start => last.end = part.end,
                        _ if is_full => return Ok(in_bytes(&found)),
                        _ => found.push(part),
                    }
                }
            }
            Ok(in_bytes(&found))
        })
    }
}

fn in_bytes(found: &[Blocks]) -> Vec<(u64, u64)> {
    found.iter().map(bytes_of).collect()
}

impl Structure {
    /// The parts of `blocks` that any layer or the backing file holds.
    fn allocated(&self, blocks: Blocks, meanwhile: impl FnOnce()) -> Result<Vec<Blocks>, ReplicaError> {
        let mut found = Vec::new();
        let below = self.lower.hidden_data(blocks)?;
        meanwhile();
        for (part, is_held_below) in below {
            if is_held_below {
                found.push(part);
            } else {
                let in_head = self.head.segments(part)?.into_iter().filter(|(_, held)| held.is_some());
                found.extend(in_head.map(|(held, _)| held));
            }
        }
        Ok(found)
    }
}
