//! Answers for logical unit numbers behind which there is nothing.
//!
//! The disk is LUN 1, as Longhorn's is. Initiators begin at LUN 0 to find out what is there, so a few commands have to
//! be answered everywhere (SPC-4, sections 6.6.2 and 6.33; SAM-5, section 4.6.4).

use crate::frontend::scsi::{AdditionalSense, Cdb, Completion, SENSE_BYTES, Sense, SenseKey};

const INQUIRY: u8 = 0x12;
const REQUEST_SENSE: u8 = 0x03;
/// "No device is or can be connected here", of no known type.
const NO_DEVICE: u8 = 0x7f;
/// SPC-4.
const VERSION: u8 = 6;
const STANDARD_INQUIRY_BYTES: usize = 36;

/// Carries out any command but REPORT LUNS.
pub(super) fn execute(cdb: &Cdb) -> Completion {
    let bytes = cdb.bytes();
    match cdb.opcode() {
        INQUIRY if bytes[1] == 0 && bytes[2] == 0 => {
            let length = u16::from_be_bytes([bytes[3], bytes[4]]);
            Completion::parameters(inquiry_data(), length.into())
        }
        REQUEST_SENSE => {
            let sense = Sense::illegal(AdditionalSense::LOGICAL_UNIT_NOT_SUPPORTED).encode();
            Completion::parameters(sense.to_vec(), usize::from(bytes[4]).min(SENSE_BYTES))
        }
        _ => Completion::check_condition(Sense::new(
            SenseKey::IllegalRequest,
            AdditionalSense::LOGICAL_UNIT_NOT_SUPPORTED,
        )),
    }
}

fn inquiry_data() -> Vec<u8> {
    let mut data = vec![0; STANDARD_INQUIRY_BYTES];
    data[0] = NO_DEVICE;
    data[2] = VERSION;
    // The format of this data, and its length behind byte 4.
    data[3] = 0x02;
    data[4] = STANDARD_INQUIRY_BYTES as u8 - 5;
    data[8..32].copy_from_slice(b"AUROCHS NO LOGICAL UNIT ");
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::scsi::Status;

    fn cdb(bytes: &[u8]) -> Cdb {
        let mut whole = [0; 16];
        whole[..bytes.len()].copy_from_slice(bytes);
        Cdb::new(whole)
    }

    #[test]
    fn nothing_is_there() {
        let inquiry = execute(&cdb(&[INQUIRY, 0, 0, 0, 255]));
        assert_eq!((inquiry.status, inquiry.data_in.as_ref()[0]), (Status::Good, NO_DEVICE));
        assert_eq!(inquiry.data_in.as_ref().len(), 36);
        let read = execute(&cdb(&[0x28]));
        assert_eq!(read.sense.map(|sense| sense.code), Some(AdditionalSense::LOGICAL_UNIT_NOT_SUPPORTED));
    }
}
