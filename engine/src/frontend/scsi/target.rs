//! Commands about the target rather than the unit: REPORT LUNS, REPORT TARGET PORT GROUPS, and what is answered where
//! there is no unit.

use super::cdb::Cdb;
use super::completion::{Completion, Outcome};
use super::identity::Identity;
use super::inquiry;
use super::nexus::Call;
use super::opcodes::{self, Command};
use super::sense::{AdditionalSense, Sense};
use crate::frontend::BlockDevice;

/// The answer to a command for a LUN where nothing is. LUN 0 is such a one: initiators ask there for the list of LUNs.
#[must_use]
pub fn execute_without_unit(cdb: &Cdb, identity: &Identity) -> Completion {
    let absent = Sense::illegal(AdditionalSense::LOGICAL_UNIT_NOT_SUPPORTED);
    let outcome = match opcodes::find(cdb).map(|entry| entry.command) {
        Ok(Command::Inquiry) if !cdb.bit(1, 0) => {
            Ok(Completion::parameters(inquiry::of_absent_unit(), usize::from(cdb.u16_at(3))))
        }
        Ok(Command::ReportLuns) => report_luns_of(cdb, identity),
        Ok(Command::RequestSense) => Ok(Completion::parameters(absent.encode().to_vec(), usize::from(cdb.byte(4)))),
        _ => Err(absent.into()),
    };
    outcome.unwrap_or_else(Completion::from)
}

pub(super) fn report_luns<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    report_luns_of(call.cdb, &call.unit.identity)
}

/// Length of the list u32, reserved u32, then eight bytes a LUN (peripheral device addressing). By SELECT REPORT: 0 and 2
/// all, 1 well-known ones, of which there is none.
fn report_luns_of(cdb: &Cdb, identity: &Identity) -> Outcome {
    let list = match cdb.byte(2) {
        0 | 2 => vec![0, identity.lun, 0, 0, 0, 0, 0, 0],
        1 => Vec::new(),
        _ => return Err(Sense::invalid_cdb_byte(2).into()),
    };
    let mut data = (list.len() as u32).to_be_bytes().to_vec();
    data.extend([0; 4]);
    data.extend(list);
    Ok(Completion::parameters(data, cdb.u32_at(6) as usize))
}

/// One group, active and optimised, with one port: length u32, then
///
/// | bytes | what |
/// |---|---|
/// | 0 | asymmetric access state: active/optimised |
/// | 1 | states that are supported: active/optimised |
/// | 2–3 | group |
/// | 7 | number of ports |
/// | 10–11 | relative target port identifier |
pub(super) fn report_target_port_groups<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let [high, low] = call.unit.identity.target_port.to_be_bytes();
    let group = [0, 0x01, high, low, 0, 0, 0, 1, 0, 0, high, low];
    let mut data = (group.len() as u32).to_be_bytes().to_vec();
    data.extend(group);
    Ok(Completion::parameters(data, call.cdb.u32_at(6) as usize))
}
