//! Commands that ask how the unit is: REQUEST SENSE, START STOP UNIT, READ DEFECT DATA.

use super::completion::{Completion, Outcome};
use super::nexus::Call;
use super::sense::{AdditionalSense, Sense, SenseKey};
use crate::frontend::BlockDevice;

/// A waiting unit attention is told as data, and with that it is told.
pub(super) fn request_sense<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let none = Sense::new(SenseKey::NoSense, AdditionalSense::NONE);
    let sense = call.nexus.attentions.take().unwrap_or(none);
    Ok(Completion::parameters(sense.encode().to_vec(), usize::from(call.cdb.byte(4))))
}

/// There is no motor and no medium to eject: a stop flushes (unless NO_FLUSH asks not to), anything else does nothing,
/// and the unit stays ready. One host must not put the disk out of another's reach.
pub(super) async fn start_stop_unit<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let (starts, no_flush) = (call.cdb.bit(4, 0), call.cdb.bit(4, 2));
    let power_condition = call.cdb.byte(4) >> 4;
    if power_condition == 0 && !starts && !no_flush {
        return super::cache::flush(call).await;
    }
    Ok(Completion::good())
}

/// An empty list, in the format asked for. (10): header of four bytes; (12): of eight.
pub(super) fn read_defect_data<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let is_long = call.cdb.opcode() == 0xb7;
    let (format, allocation) = if is_long {
        (call.cdb.byte(1), call.cdb.u32_at(6) as usize)
    } else {
        (call.cdb.byte(2), usize::from(call.cdb.u16_at(7)))
    };
    let mut data = vec![0; if is_long { 8 } else { 4 }];
    data[1] = format & 0x1f;
    Ok(Completion::parameters(data, allocation))
}
