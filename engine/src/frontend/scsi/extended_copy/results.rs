//! RECEIVE COPY RESULTS: what came of the copies of a session, and what copies there can be.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::super::BLOCK_BYTES;
use super::super::completion::{Completion, Outcome};
use super::super::nexus::Call;
use super::super::sense::Sense;
use super::descriptors::{BLOCK_TO_BLOCK, IDENTIFICATION};
use super::{MAX_DESCRIPTOR_BYTES, MAX_SEGMENTS, MAX_TARGETS};
use crate::frontend::BlockDevice;

/// List identifier usage: the identifier may be asked for.
const HOLD: u8 = 0;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CopyResult {
    pub(super) is_good: bool,
    pub(super) segments: u16,
    pub(super) bytes: u64,
}

/// The results of a session by list identifier, of which there are 256 at most.
#[derive(Debug, Default)]
pub(crate) struct CopyResults(Mutex<BTreeMap<u8, CopyResult>>);

impl CopyResults {
    /// Keeps the result of a list, when its identifier usage wants that.
    pub(super) fn keep(&self, list: &[u8], result: CopyResult) {
        if list[1] >> 3 & 0x03 == HOLD {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(list[0], result);
        }
    }

    /// Once asked for it is forgotten.
    fn take(&self, list_identifier: u8) -> Option<CopyResult> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&list_identifier)
    }
}

/// Service action 0: COPY STATUS; 3: OPERATING PARAMETERS.
pub(crate) fn receive_copy_results<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let data = match call.cdb.byte(1) & 0x1f {
        0 => copy_status(call.nexus.copies.take(call.cdb.byte(2)).ok_or(Sense::invalid_cdb_byte(2))?),
        _ => operating_parameters(),
    };
    Ok(Completion::parameters(data, call.cdb.u32_at(10) as usize))
}

/// Length of what follows u32; status 1 done, 2 done with errors; segments u16; unit of the count (1 KiB); count u32.
fn copy_status(result: CopyResult) -> Vec<u8> {
    let mut data = vec![0, 0, 0, 8, if result.is_good { 1 } else { 2 }];
    data.extend(result.segments.to_be_bytes());
    data.push(1);
    data.extend(u32::try_from(result.bytes >> 10).unwrap_or(u32::MAX).to_be_bytes());
    data
}

/// | bytes | what |
/// |---|---|
/// | 0–3 | length of what follows |
/// | 8–9, 10–11, 12–15 | most copy targets, segments, bytes of descriptors |
/// | 16–19 | most bytes of a segment |
/// | 34–35, 36 | copies at the same time |
/// | 37 | granularity of a segment, as an exponent |
/// | 43– | number of descriptor types, and the types |
fn operating_parameters() -> Vec<u8> {
    let mut data = vec![0; 46];
    data[3] = data.len() as u8 - 4;
    data[8..10].copy_from_slice(&(MAX_TARGETS as u16).to_be_bytes());
    data[10..12].copy_from_slice(&(MAX_SEGMENTS as u16).to_be_bytes());
    data[12..16].copy_from_slice(&(MAX_DESCRIPTOR_BYTES as u32).to_be_bytes());
    data[16..20].copy_from_slice(&(u32::from(u16::MAX) * BLOCK_BYTES as u32).to_be_bytes());
    data[35] = u8::MAX;
    data[36] = u8::MAX;
    data[37] = BLOCK_BYTES.ilog2() as u8;
    data[43..].copy_from_slice(&[2, BLOCK_TO_BLOCK, IDENTIFICATION]);
    data
}
