//! Which commands there are: [`table`] drives dispatch, the check of reserved bits, the rules of reservations and write
//! protection, and what [`report`] tells initiators.

pub(super) mod report;
mod table;

use self::table::TABLE;
use super::cdb::Cdb;
use super::sense::{AdditionalSense, Sense};

/// What a command does, whatever the length of its CDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    TestUnitReady,
    RequestSense,
    Inquiry,
    ReportLuns,
    ReadCapacity10,
    ReadCapacity16,
    ReadDefectData,
    ModeSense,
    ModeSelect,
    StartStopUnit,
    Read,
    Write,
    WriteAndVerify,
    Verify,
    CompareAndWrite,
    OrWrite,
    WriteSame,
    Unmap,
    ExtendedCopy,
    ReceiveCopyResults,
    SynchronizeCache,
    PreFetch,
    Reserve6,
    Release6,
    PersistentReserveIn,
    PersistentReserveOut,
    ReportTargetPortGroups,
    ReportSupportedOperationCodes,
    ReportSupportedTaskManagement,
}

/// What reservations and write protection mean to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Passes any reservation, and unit attentions where the standard says so.
    Free,
    /// Stopped by RESERVE(6) of another session only.
    Asks,
    Reads,
    /// Changes what other sessions see, but no block.
    Manages,
    Writes,
}

/// One command.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) command: Command,
    pub(super) access: Access,
    /// The service action in the lower five bits of byte 1, for operation codes that have any.
    pub(super) service_action: Option<u8>,
    /// The operation code, then the bits of every byte of the CDB that mean something here; any other has to be zero.
    /// Its length is the CDB's.
    pub(super) usage: &'static [u8],
}

/// For each operation code its first place in the table, so that a command is found without a search.
static FIRST: [u8; 256] = first_places();
const NOWHERE: u8 = u8::MAX;

const fn first_places() -> [u8; 256] {
    let mut places = [NOWHERE; 256];
    let mut index = TABLE.len();
    while index > 0 {
        index -= 1;
        places[TABLE[index].usage[0] as usize] = index as u8;
    }
    places
}

/// The command of a CDB.
///
/// # Errors
/// INVALID COMMAND OPERATION CODE; for a service action that is not known, INVALID FIELD IN CDB.
pub(super) fn find(cdb: &Cdb) -> Result<&'static Entry, Sense> {
    let actions = of_opcode(cdb.opcode());
    match actions {
        [] => Err(Sense::illegal(AdditionalSense::INVALID_COMMAND_OPERATION_CODE)),
        [only] if only.service_action.is_none() => Ok(only),
        actions => {
            let asked = Some(cdb.byte(1) & 0x1f);
            actions.iter().find(|entry| entry.service_action == asked).ok_or(Sense::invalid_cdb_bit(1, 4))
        }
    }
}

/// All entries of an operation code: one, or one for each service action.
fn of_opcode(opcode: u8) -> &'static [Entry] {
    let first = FIRST[usize::from(opcode)];
    if first == NOWHERE {
        return &[];
    }
    let from = &TABLE[usize::from(first)..];
    let count = from.iter().take_while(|entry| entry.opcode() == opcode).count();
    &from[..count]
}

impl Entry {
    pub(super) fn opcode(&self) -> u8 {
        self.usage[0]
    }

    /// Refuses a CDB with a bit set that means nothing here: the initiator wants something it would not get.
    pub(super) fn check_reserved_bits(&self, cdb: &Cdb) -> Result<(), Sense> {
        for (index, &used) in self.usage.iter().enumerate().skip(1) {
            let unknown = cdb.byte(index) & !used;
            if unknown != 0 {
                return Err(Sense::invalid_cdb_bit(index as u16, unknown.ilog2() as u8));
            }
        }
        Ok(())
    }
}

impl Command {
    /// Commands that are carried out while a unit attention waits, which goes on waiting (REQUEST SENSE tells it in its
    /// own way).
    pub(super) fn passes_attentions(self) -> bool {
        matches!(self, Self::Inquiry | Self::ReportLuns | Self::RequestSense)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_lengths_fit_the_operation_codes() {
        let keys: Vec<_> = TABLE.iter().map(|entry| (entry.opcode(), entry.service_action)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:x?}");
        assert!(TABLE.len() < usize::from(NOWHERE));
        for entry in TABLE {
            let expected = match entry.opcode() >> 5 {
                0 => 6,
                1 | 2 => 10,
                4 => 16,
                _ => 12,
            };
            assert_eq!(entry.usage.len(), expected, "{entry:x?}");
        }
    }

    #[test]
    fn commands_are_found_by_operation_code_and_service_action() {
        let find = |start: &[u8]| {
            let mut bytes = [0; 16];
            bytes[..start.len()].copy_from_slice(start);
            super::find(&Cdb::new(bytes)).map(|entry| entry.command)
        };
        assert_eq!(find(&[0x28, 0x18]), Ok(Command::Read));
        assert_eq!(find(&[0xa3, 0x0c]), Ok(Command::ReportSupportedOperationCodes));
        assert_eq!(find(&[0xa3, 0x0a]), Ok(Command::ReportTargetPortGroups));
        assert_eq!(find(&[0xa3, 0x1f]).unwrap_err().code, AdditionalSense::INVALID_FIELD_IN_CDB);
        assert_eq!(find(&[0x48]).unwrap_err().code, AdditionalSense::INVALID_COMMAND_OPERATION_CODE);
    }
}
