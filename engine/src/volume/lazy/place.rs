//! A fetched block on its way to the members.
//!
//! It replaces all of its range: what is zeros in the backup is zeros afterwards, also where the backing file, or a request
//! that was never acknowledged, left something else. Zeros that hide nothing take no space.

use std::ops::Range;
use std::sync::Arc;

use super::super::Shared;
use super::super::fan_out;
use super::super::ordering::Access;
use super::blocks::At;
use crate::crash_point;
use crate::disk::AlignedBuf;
use crate::frontend::{Durability, IoError};

/// Bytes that are written at a time.
const PIECE: usize = 1 << 20;
/// Zeros are told from data in units of this many bytes.
const GRAIN: usize = 64 << 10;

/// A part of a block.
pub(super) struct Part {
    /// Bytes, from the block's beginning.
    at: usize,
    length: usize,
    /// `None`: zeros.
    data: Option<AlignedBuf>,
}

/// What to write of a block, all of it in order. For threads that have the time to look at every byte.
pub(super) fn parts(content: &[u8]) -> Vec<Part> {
    let part = |(run, is_data): (Range<usize>, bool)| Part {
        at: run.start,
        length: run.len(),
        data: is_data.then(|| AlignedBuf::copy_of(&content[run])),
    };
    runs(content).into_iter().map(part).collect()
}

/// Puts a block in its place on all members, unless a request has been faster.
pub(super) async fn place(shared: &Arc<Shared>, block: usize, parts: Vec<Part>) -> Result<(), IoError> {
    let Some(span) = shared.lazy.with(|remote| remote.blocks.span(block)) else { return Ok(()) };
    shared.membership.check_running()?;
    let turn = shared.ordering.turn(span.start, span.end - span.start, Access::Write).await;
    if shared.lazy.with(|remote| remote.blocks.at(block)) != Some(At::Remote) {
        return Ok(());
    }
    for Part { at, length, data } in parts {
        let offset = span.start + at as u64;
        match data {
            Some(data) => fan_out::write_ordered(shared, offset, data, Durability::Written).await?,
            None => fan_out::zero_ordered(shared, offset, length).await?,
        }
        crash_point::reached("lazy.part-placed");
    }
    shared.lazy.with(|remote| remote.blocks.fetched(block));
    drop(turn);
    crash_point::reached("lazy.placed");
    shared.lazy.tell();
    Ok(())
}

/// Data, in pieces that can be written at once, and zeros between.
fn runs(content: &[u8]) -> Vec<(Range<usize>, bool)> {
    let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
    for start in (0..content.len()).step_by(GRAIN) {
        let grain = start..(start + GRAIN).min(content.len());
        let is_data = content[grain.clone()].iter().any(|byte| *byte != 0);
        match runs.last_mut() {
            Some((run, was_data)) if *was_data == is_data && (!is_data || run.len() + grain.len() <= PIECE) => {
                run.end = grain.end;
            }
            _ => runs.push((grain, is_data)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_a_block_once_and_tell_zeros() {
        let mut content = vec![0; 3 * PIECE + 4096];
        content[GRAIN + 5] = 1;
        content[PIECE..3 * PIECE].fill(7);
        let expected = [
            (0..GRAIN, false),
            (GRAIN..2 * GRAIN, true),
            (2 * GRAIN..PIECE, false),
            (PIECE..2 * PIECE, true),
            (2 * PIECE..3 * PIECE, true),
            (3 * PIECE..3 * PIECE + 4096, false),
        ];
        assert_eq!(runs(&content), expected);
    }
}
