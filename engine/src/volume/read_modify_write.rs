//! Reading a range and writing it anew in one turn: what COMPARE AND WRITE and ORWRITE of SCSI need.
//!
//! Invariant: between the read and the write no other write reaches a block of the range, from whichever frontend. Both
//! are done in one turn for writing, which [`ordering`](super::ordering) gives to nobody else meanwhile.

use std::sync::Arc;

use super::Shared;
use super::fan_out::{make_equal, read_ordered, write_ordered};
use super::lazy::access::turn_to_change;
use super::ordering::Turn;
use crate::disk::AlignedBuf;
use crate::frontend::{Durability, IoError, Unchanged};

pub(super) async fn read_modify_write<N>(
    shared: &Arc<Shared>,
    offset: u64,
    length: u32,
    durability: Durability,
    change: impl FnOnce(AlignedBuf) -> Result<AlignedBuf, N>,
) -> Result<(), Unchanged<N>> {
    let _turn = turn_on_equal_members(shared, offset, length).await.map_err(Unchanged::NotRead)?;
    let current = read_ordered(shared, offset, length).await.map_err(Unchanged::NotRead)?;
    let changed = change(current).map_err(Unchanged::Declined)?;
    write_ordered(shared, offset, changed, durability).await.map_err(Unchanged::NotWritten)
}

/// A turn for writing, with members that have the same in the range: as before any other read.
async fn turn_on_equal_members(shared: &Arc<Shared>, offset: u64, length: u32) -> Result<Turn, IoError> {
    let length = u64::from(length);
    loop {
        shared.membership.check_running()?;
        let turn = turn_to_change(shared, offset, length).await?;
        if !shared.unequal.touches(offset, length) {
            return Ok(turn);
        }
        drop(turn);
        make_equal(shared, offset, length).await?;
    }
}
