//! VERIFY and WRITE AND VERIFY, 10 to 16.

use super::block_range::BlockRange;
use super::cdb::Cdb;
use super::completion::{Completion, Failure, Outcome};
use super::nexus::Call;
use super::read_write::{transfer, whole_blocks};
use super::sense::Sense;
use super::{BLOCK_BYTES, MAX_TRANSFER_BYTES};
use crate::disk::AlignedBuf;
use crate::frontend::{BlockDevice, Durability};

/// The medium is read in pieces of this size, so that a verification takes little memory.
pub(super) const PIECE_BYTES: u32 = 1 << 20;

const _: () = assert!((PIECE_BYTES as u64) < MAX_TRANSFER_BYTES && (PIECE_BYTES as u64).is_multiple_of(BLOCK_BYTES));

/// What to compare the medium with: the BYTCHK field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// 0: the medium can be read.
    Readable,
    /// 1: with the data-out, block by block.
    Data,
    /// 3: every block with the one block of data-out.
    OneBlock,
}

impl Check {
    fn of(cdb: &Cdb) -> Result<Self, Sense> {
        match cdb.byte(1) >> 1 & 0x03 {
            0 => Ok(Self::Readable),
            1 => Ok(Self::Data),
            3 => Ok(Self::OneBlock),
            _ => Err(Sense::invalid_cdb_bit(1, 2)),
        }
    }
}

/// Data-out of VERIFY.
pub(super) fn verify_data_out_bytes(cdb: &Cdb, size_bytes: u64) -> Result<u64, Sense> {
    let (_, length) = transfer(cdb, size_bytes)?;
    Ok(match Check::of(cdb)? {
        Check::Readable => 0,
        Check::Data => u64::from(length),
        Check::OneBlock => BLOCK_BYTES.min(u64::from(length)),
    })
}

/// VERIFY. The cache is written out before, since it is the medium that is verified.
pub(super) async fn verify<D: BlockDevice>(call: &Call<'_, D>, data: AlignedBuf) -> Outcome {
    let (range, _) = transfer(call.cdb, call.unit.size_bytes())?;
    let check = Check::of(call.cdb)?;
    call.check_data_out(&data, verify_data_out_bytes(call.cdb, call.unit.size_bytes())?)?;
    if range.length > 0 {
        call.unit.device.flush().await.map_err(|error| Failure::of_write(&error))?;
        compare(call, range, check, &data).await?;
    }
    Ok(Completion::good())
}

/// The data are on stable storage before they are read back: what is verified is the medium, not a cache.
pub(super) async fn write_and_verify<D: BlockDevice>(call: &Call<'_, D>, mut data: AlignedBuf) -> Outcome {
    let (range, length) = transfer(call.cdb, call.unit.size_bytes())?;
    let check = Check::of(call.cdb)?;
    if check == Check::OneBlock {
        return Err(Sense::invalid_cdb_bit(1, 2).into());
    }
    call.check_data_out(&data, length.into())?;
    data.truncate(whole_blocks(data.len().min(length as usize)));
    if data.is_empty() {
        return Ok(Completion::good());
    }
    let range = BlockRange { length: data.len() as u64, ..range };
    let kept = if check == Check::Data { data.clone() } else { AlignedBuf::default() };
    let written = call.unit.device.write(range.offset, data, Durability::Stable).await;
    written.map_err(|error| Failure::of_write(&error))?;
    compare(call, range, check, &kept).await?;
    Ok(Completion::good())
}

/// Reads the range and compares it. Where the initiator sent less data than blocks, the blocks it sent are compared.
async fn compare<D: BlockDevice>(
    call: &Call<'_, D>,
    range: BlockRange,
    check: Check,
    data: &[u8],
) -> Result<(), Failure> {
    let length = match check {
        Check::Data => range.length.min(whole_blocks(data.len()) as u64),
        Check::OneBlock if (data.len() as u64) < BLOCK_BYTES => 0,
        Check::Readable | Check::OneBlock => range.length,
    };
    let mut done = 0;
    while done < length {
        let piece = (length - done).min(u64::from(PIECE_BYTES)) as u32;
        let medium = call.unit.device.read(range.offset + done, piece).await;
        let medium = medium.map_err(|error| Failure::of_read(&error))?;
        let differs = match check {
            Check::Readable => None,
            Check::Data => first_difference(&medium, &data[done as usize..]),
            Check::OneBlock => medium
                .chunks(BLOCK_BYTES as usize)
                .enumerate()
                .find_map(|(block, bytes)| Some(block * BLOCK_BYTES as usize + first_difference(bytes, data)?)),
        };
        if let Some(at) = differs {
            return Err(Sense::miscompare(done as u32 + at as u32).into());
        }
        done += u64::from(piece);
    }
    Ok(())
}

/// Where `bytes` first differ from the beginning of `others`, which are at least as many.
pub(super) fn first_difference(bytes: &[u8], others: &[u8]) -> Option<usize> {
    if bytes == &others[..bytes.len()] {
        return None;
    }
    bytes.iter().zip(others).position(|(a, b)| a != b)
}
