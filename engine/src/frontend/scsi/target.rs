//! Commands about the target rather than the unit: REPORT LUNS and REPORT TARGET PORT GROUPS.

use super::completion::{Completion, Outcome};
use super::nexus::Call;
use super::sense::Sense;
use crate::frontend::BlockDevice;

/// Length of the list u32, reserved u32, then eight bytes a LUN (peripheral device addressing). By SELECT REPORT: 0 and 2
/// all, 1 well-known ones, of which there is none.
pub(super) fn report_luns<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let list = match call.cdb.byte(2) {
        0 | 2 => vec![0, call.unit.identity.lun(), 0, 0, 0, 0, 0, 0],
        1 => Vec::new(),
        _ => return Err(Sense::invalid_cdb_byte(2).into()),
    };
    let mut data = (list.len() as u32).to_be_bytes().to_vec();
    data.extend([0; 4]);
    data.extend(list);
    Ok(Completion::parameters(data, call.cdb.u32_at(6) as usize))
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
