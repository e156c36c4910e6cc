//! REPORT SUPPORTED OPERATION CODES and REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS.

use super::super::completion::{Completion, Outcome};
use super::super::nexus::Call;
use super::super::sense::Sense;
use super::table::TABLE;
use super::{Entry, of_opcode};
use crate::frontend::BlockDevice;

/// What a timeouts descriptor says: usual and recommended time. A command may have to wait until a failed replica is
/// recorded as such, so initiators do well to be patient; Longhorn sets its devices to 60 seconds, too.
const NOMINAL_SECONDS: u32 = 1;
const RECOMMENDED_SECONDS: u32 = 60;

/// By the reporting options: 0 all commands; 1 an operation code without service actions; 2 one with; 3 either.
pub(crate) fn operation_codes<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let cdb = call.cdb;
    let with_timeouts = cdb.bit(2, 7);
    let (opcode, action) = (cdb.byte(3), cdb.u16_at(4));
    let actions = of_opcode(opcode);
    let has_actions = actions.first().is_some_and(|entry| entry.service_action.is_some());
    let of_action = || actions.iter().find(|entry| entry.service_action.is_some_and(|own| u16::from(own) == action));
    let data = match cdb.byte(2) & 0x07 {
        0 => all(with_timeouts),
        1 if has_actions => return Err(Sense::invalid_cdb_byte(3).into()),
        1 => one(actions.first(), with_timeouts),
        2 if !has_actions && !actions.is_empty() => return Err(Sense::invalid_cdb_byte(3).into()),
        2 => one(of_action(), with_timeouts),
        3 if has_actions => one(of_action(), with_timeouts),
        3 if action == 0 => one(actions.first(), with_timeouts),
        3 => one(None, with_timeouts),
        _ => return Err(Sense::invalid_cdb_bit(2, 2).into()),
    };
    Ok(Completion::parameters(data, cdb.u32_at(6) as usize))
}

/// Length u32, then eight bytes a command: operation code; service action u16 at 2; CTDP and SERVACTV at 5; length of the
/// CDB u16 at 6; and its timeouts descriptor.
fn all(with_timeouts: bool) -> Vec<u8> {
    let mut list = Vec::new();
    for entry in TABLE {
        let flags = u8::from(with_timeouts) << 1 | u8::from(entry.service_action.is_some());
        list.extend([entry.opcode(), 0, 0, entry.service_action.unwrap_or(0), 0, flags, 0, entry.usage.len() as u8]);
        if with_timeouts {
            list.extend(timeouts());
        }
    }
    let mut data = (list.len() as u32).to_be_bytes().to_vec();
    data.extend(list);
    data
}

/// CTDP and support (1 not, 3 as in the standard) at 1, length of the CDB u16 at 2, its usage data, timeouts descriptor.
fn one(entry: Option<&Entry>, with_timeouts: bool) -> Vec<u8> {
    let Some(entry) = entry else {
        return vec![0, 0x01, 0, 0];
    };
    let mut data = vec![0, u8::from(with_timeouts) << 7 | 0x03, 0, entry.usage.len() as u8];
    data.extend(entry.usage);
    // The usage data tell the service action itself where there is one.
    if let Some(action) = entry.service_action {
        data[5] = data[5] & !0x1f | action;
    }
    if with_timeouts {
        data.extend(timeouts());
    }
    data
}

fn timeouts() -> [u8; 12] {
    let mut descriptor = [0; 12];
    descriptor[1] = 10;
    descriptor[4..8].copy_from_slice(&NOMINAL_SECONDS.to_be_bytes());
    descriptor[8..].copy_from_slice(&RECOMMENDED_SECONDS.to_be_bytes());
    descriptor
}

/// Task management: ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET and TARGET RESET; with REPD the
/// extended data of 16 bytes, whose timeouts are not told.
pub(crate) fn task_management<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let functions = 0x80 | 0x40 | 0x10 | 0x08 | 0x02;
    let mut data = vec![functions, 0, 0, 0];
    if call.cdb.bit(2, 7) {
        data[3] = 12;
        data.resize(16, 0);
    }
    Ok(Completion::parameters(data, call.cdb.u32_at(6) as usize))
}
