//! The parameter list of EXTENDED COPY:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | list identifier |
//! | 1 | list identifier usage (bits 3 and 4), priority |
//! | 2–3, 8–11, 12–15 | length of the copy target descriptors, of the segment descriptors, of inline data |
//! | 16– | target descriptors of 32 bytes, segment descriptors, inline data (not used) |

use super::super::BLOCK_BYTES;
use super::super::block_range::{Addressed, BlockRange};
use super::super::cdb::number;
use super::super::sense::{AdditionalSense, Sense, SenseKey};
use super::{MAX_DESCRIPTOR_BYTES, MAX_SEGMENTS, MAX_TARGETS};

const HEADER_BYTES: usize = 16;
const TARGET_BYTES: usize = 32;
const SEGMENT_BYTES: usize = 28;
/// Types of descriptors that are had: identification, and block to block.
pub(super) const IDENTIFICATION: u8 = 0xe4;
pub(super) const BLOCK_TO_BLOCK: u8 = 0x02;

/// One piece of work on this unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) from: BlockRange,
    pub(super) to: u64,
}

fn length_error() -> Sense {
    Sense::illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR)
}

fn aborted(code: AdditionalSense) -> Sense {
    Sense::new(SenseKey::CopyAborted, code)
}

/// All segments of a list, checked.
pub(super) fn segments(list: &[u8], naa: u64, size_bytes: u64) -> Result<Vec<Segment>, Sense> {
    let header = list.get(..HEADER_BYTES).ok_or(length_error())?;
    let lengths = [number(&header[2..4]), number(&header[8..12]), number(&header[12..16])];
    let descriptors = lengths[0] + lengths[1];
    if descriptors > MAX_DESCRIPTOR_BYTES as u64 || HEADER_BYTES as u64 + descriptors + lengths[2] > list.len() as u64 {
        return Err(length_error());
    }
    let (targets, rest) = list[HEADER_BYTES..].split_at(lengths[0] as usize);
    let targets = targets_of(targets, naa)?;
    let mut rest = &rest[..lengths[1] as usize];
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if segments.len() == MAX_SEGMENTS {
            return Err(Sense::illegal(AdditionalSense::TOO_MANY_SEGMENT_DESCRIPTORS));
        }
        if rest[0] != BLOCK_TO_BLOCK {
            return Err(Sense::illegal(AdditionalSense::UNSUPPORTED_SEGMENT_DESCRIPTOR_TYPE_CODE));
        }
        let (descriptor, behind) = rest.split_at_checked(SEGMENT_BYTES).ok_or(length_error())?;
        segments.push(segment(descriptor, &targets, size_bytes)?);
        rest = behind;
    }
    Ok(segments)
}

/// Whether each copy target is this unit.
fn targets_of(descriptors: &[u8], naa: u64) -> Result<Vec<bool>, Sense> {
    if !descriptors.len().is_multiple_of(TARGET_BYTES) {
        return Err(Sense::invalid_parameter(2));
    }
    if descriptors.len() / TARGET_BYTES > MAX_TARGETS {
        return Err(Sense::illegal(AdditionalSense::TOO_MANY_TARGET_DESCRIPTORS));
    }
    descriptors.chunks_exact(TARGET_BYTES).map(|descriptor| is_this_unit(descriptor, naa)).collect()
}

/// | bytes | what |
/// |---|---|
/// | 0 | type |
/// | 1 | peripheral device type (the lower five bits) |
/// | 4–7 | code set, association and type of the designator, its length |
/// | 8–27 | designator |
/// | 29–31 | block length |
fn is_this_unit(descriptor: &[u8], naa: u64) -> Result<bool, Sense> {
    if descriptor[0] != IDENTIFICATION {
        return Err(Sense::illegal(AdditionalSense::UNSUPPORTED_TARGET_DESCRIPTOR_TYPE_CODE));
    }
    let is_disk = descriptor[1] & 0x1f == 0 && number(&descriptor[29..32]) == BLOCK_BYTES;
    // Binary, of the logical unit, NAA, eight bytes.
    let is_naa = descriptor[4] & 0x0f == 1 && descriptor[5] & 0x3f == 3 && descriptor[7] == 8;
    Ok(is_disk && is_naa && number(&descriptor[8..16]) == naa)
}

/// | bytes | what |
/// |---|---|
/// | 4–5, 6–7 | index of the source, of the destination |
/// | 10–11 | number of blocks |
/// | 12–19, 20–27 | LBA in the source, in the destination |
fn segment(descriptor: &[u8], targets: &[bool], size_bytes: u64) -> Result<Segment, Sense> {
    if number(&descriptor[2..4]) != SEGMENT_BYTES as u64 - 4 {
        return Err(Sense::invalid_parameter(8));
    }
    let is_reached = |index: &[u8]| targets.get(number(index) as usize) == Some(&true);
    if !is_reached(&descriptor[4..6]) || !is_reached(&descriptor[6..8]) {
        return Err(aborted(AdditionalSense::UNREACHABLE_COPY_TARGET));
    }
    let blocks = number(&descriptor[10..12]);
    let range = |lba: &[u8]| {
        let range = Addressed { lba: number(lba), blocks }.on_device(size_bytes);
        range.map_err(|_| aborted(AdditionalSense::NONE))
    };
    Ok(Segment { from: range(&descriptor[12..20])?, to: range(&descriptor[20..28])?.offset })
}
