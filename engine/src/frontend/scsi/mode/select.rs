//! MODE SELECT: everything may be set to what it is; software write protection may be changed.

use super::super::cdb::Cdb;
use super::super::completion::{Completion, Outcome};
use super::super::nexus::Call;
use super::super::sense::{AdditionalSense, Sense};
use super::pages::{self, CONTROL};
use super::{block_descriptor, is_long};
use crate::disk::AlignedBuf;
use crate::frontend::BlockDevice;

const DESCRIPTOR_BYTES: usize = 8;

pub(crate) fn data_out_bytes(cdb: &Cdb) -> u64 {
    if is_long(cdb) { u64::from(cdb.u16_at(7)) } else { u64::from(cdb.byte(4)) }
}

/// Nothing is changed when any part of the list is wrong. Other sessions are told by a unit attention.
pub(crate) fn mode_select<D: BlockDevice>(call: &Call<'_, D>, list: &AlignedBuf) -> Outcome {
    let length = data_out_bytes(call.cdb) as usize;
    if call.cdb.bit(1, 0) {
        return Err(Sense::invalid_cdb_bit(1, 0).into());
    }
    if length == 0 {
        return Ok(Completion::good());
    }
    if list.len() < length {
        return Err(Sense::illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR).into());
    }
    let mut protect = None;
    let mut at = pages_begin(call, &list[..length])?;
    while at < length {
        let page = page_at(&list[..length], at)?;
        check(call, page, at)?;
        if page[0] & 0x3f == CONTROL {
            protect = Some(pages::asks_for_protection(page));
        }
        at += page.len();
    }
    if let Some(protect) = protect.filter(|&protect| protect != call.unit.modes.write_protected()) {
        call.unit.modes.protect(protect);
        let others = |nexus: &super::super::logical_unit::NexusState| nexus.id != call.nexus.id;
        call.unit.nexuses.attention_where(AdditionalSense::MODE_PARAMETERS_CHANGED, others);
    }
    Ok(Completion::good())
}

/// Checks header and block descriptor; returns where the pages begin. The number of blocks may be left 0 or all ones.
fn pages_begin<D: BlockDevice>(call: &Call<'_, D>, list: &[u8]) -> Result<usize, Sense> {
    let header = if is_long(call.cdb) { 8 } else { 4 };
    if list.len() < header {
        return Err(Sense::illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR));
    }
    let descriptors = if is_long(call.cdb) { u16::from_be_bytes([list[6], list[7]]) } else { u16::from(list[3]) };
    let begin = header + usize::from(descriptors);
    if begin > list.len() {
        return Err(Sense::illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR));
    }
    match usize::from(descriptors) {
        0 => Ok(begin),
        DESCRIPTOR_BYTES => {
            let current = block_descriptor(call.unit.size_bytes());
            let given = &list[header..begin];
            let any_number = [[0; 4], [u8::MAX; 4]].iter().any(|number| given[..4] == number[..]);
            if (any_number || given[..4] == current[..4]) && given[5..] == current[5..] {
                Ok(begin)
            } else {
                Err(Sense::invalid_parameter(header as u16))
            }
        }
        _ => Err(Sense::invalid_parameter(header as u16 - 1)),
    }
}

/// The page that begins at `at`, with its two bytes of header.
fn page_at(list: &[u8], at: usize) -> Result<&[u8], Sense> {
    let rest = &list[at..];
    let too_short = Sense::illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR);
    let length = 2 + usize::from(*rest.get(1).ok_or(too_short)?);
    rest.get(..length).ok_or(too_short)
}

/// Refuses a page that is not had and one that changes what can't be changed.
fn check<D: BlockDevice>(call: &Call<'_, D>, page: &[u8], at: usize) -> Result<(), Sense> {
    let code = page[0] & 0x3f;
    let is_subpage = page[0] & 0x40 != 0;
    let (Some(current), Some(changeable)) = (call.unit.modes.current(code), pages::changeable(code)) else {
        return Err(Sense::invalid_parameter(at as u16));
    };
    if is_subpage || page.len() != current.len() {
        return Err(Sense::invalid_parameter(at as u16));
    }
    let fixed_differs = |index: &usize| (page[*index] ^ current[*index]) & !changeable[*index] != 0;
    match (2..page.len()).find(fixed_differs) {
        Some(index) => Err(Sense::invalid_parameter((at + index) as u16)),
        None => Ok(()),
    }
}
