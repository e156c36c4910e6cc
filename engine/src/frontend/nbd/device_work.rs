//! From a checked request to calls on the device, and from their outcome to an answer.

use super::protocol::ErrorNumber;
use super::reply::Answer;
use super::request::Work;
use crate::disk::AlignedBuf;
use crate::frontend::{Allocation, BlockDevice, Durability, Extent, IoError, IoErrorKind};

/// Longest read or write that is one call on the device: what the link to a replica carries in one frame.
const CALL_BYTES: u32 = 32 << 20;
/// Longer ones are cut into pieces of this size, one after the other: each is a second copy for a moment.
const PIECE_BYTES: u32 = 8 << 20;

pub(super) async fn carry_out<D: BlockDevice>(device: &D, work: Work, payload: AlignedBuf) -> Answer {
    let is_write = matches!(work, Work::Write { .. } | Work::WriteZeroes { .. });
    let done = match work {
        Work::Read { offset, length } if length <= CALL_BYTES => read(device, offset, length).await.map(Answer::Data),
        Work::Read { offset, length } => read_in_pieces(device, offset, length).await.map(Answer::Data),
        Work::Write { offset, length, durability } if length <= CALL_BYTES => {
            device.write(offset, payload, durability).await.map(|()| Answer::Done)
        }
        Work::Write { offset, durability, .. } => {
            write_in_pieces(device, offset, &payload, durability).await.map(|()| Answer::Done)
        }
        Work::Discard { offset, length, durability } => {
            discard(device, offset, length, durability).await.map(|()| Answer::Done)
        }
        Work::WriteZeroes { offset, length, fast: true, .. } if !is_hole(device, offset, length).await => {
            let message = "zeros may have to be written there, at the speed of the disks".to_owned();
            Ok(Answer::Failed { error: ErrorNumber::NotSupported, message })
        }
        Work::WriteZeroes { offset, length, may_unmap, durability, .. } => {
            device.write_zeroes(offset, length, may_unmap, durability).await.map(|()| Answer::Done)
        }
        Work::Flush => device.flush().await.map(|()| Answer::Done),
        Work::BlockStatus { offset, length, one } => status(device, offset, length, one).await,
        Work::Cache | Work::Disconnect => Ok(Answer::Done),
    };
    done.unwrap_or_else(|error| Answer::of_error(error, is_write))
}

/// A reply announces its length before its data, so a device that returns another length would bring the stream
/// out of step: that is an I/O error.
async fn read<D: BlockDevice>(device: &D, offset: u64, length: u32) -> Result<AlignedBuf, IoError> {
    let data = device.read(offset, length).await?;
    if data.len() == length as usize {
        return Ok(data);
    }
    let message = format!("{length} bytes at {offset} were asked for, the device returned {}", data.len());
    Err(IoError::new(IoErrorKind::Io, message))
}

async fn read_in_pieces<D: BlockDevice>(device: &D, offset: u64, length: u32) -> Result<AlignedBuf, IoError> {
    let mut whole = AlignedBuf::zeroed(length as usize);
    for (index, place) in whole.chunks_mut(PIECE_BYTES as usize).enumerate() {
        let at = offset + index as u64 * u64::from(PIECE_BYTES);
        place.copy_from_slice(&read(device, at, place.len() as u32).await?);
    }
    Ok(whole)
}

async fn write_in_pieces<D: BlockDevice>(
    device: &D,
    offset: u64,
    payload: &AlignedBuf,
    durability: Durability,
) -> Result<(), IoError> {
    for (index, piece) in payload.chunks(PIECE_BYTES as usize).enumerate() {
        let at = offset + index as u64 * u64::from(PIECE_BYTES);
        device.write(at, AlignedBuf::copy_of(piece), durability).await?;
    }
    Ok(())
}

/// Zeros over what a snapshot holds are written, which a client that asks for quick zeros does better itself, together with
/// its data. Where nothing is, zeroing takes no I/O.
async fn is_hole<D: BlockDevice>(device: &D, offset: u64, length: u64) -> bool {
    let extents = if length > 0 { device.allocation(offset, length).await } else { Ok(Vec::new()) };
    let covered = |extents: &[Extent]| extents.iter().map(|extent| extent.length).sum::<u64>() == length;
    extents.is_ok_and(|extents| covered(&extents) && extents.iter().all(|extent| extent.state == Allocation::Hole))
}

async fn discard<D: BlockDevice>(device: &D, offset: u64, length: u64, durability: Durability) -> Result<(), IoError> {
    device.discard(offset, length).await?;
    match durability {
        Durability::Written => Ok(()),
        Durability::Stable => device.flush().await,
    }
}

async fn status<D: BlockDevice>(device: &D, offset: u64, length: u64, one: bool) -> Result<Answer, IoError> {
    let mut extents = device.allocation(offset, length).await?;
    if one {
        extents.truncate(1);
    }
    if extents.is_empty() {
        let message = format!("the device did not tell the state of {length} bytes at {offset}");
        return Ok(Answer::Failed { error: ErrorNumber::Io, message });
    }
    Ok(Answer::Status(extents))
}
