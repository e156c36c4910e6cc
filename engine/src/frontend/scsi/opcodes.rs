//! The table of all commands: it drives dispatch, the check of reserved bits and REPORT SUPPORTED OPERATION CODES.

use super::block_range::{Addressed, length_field_byte};
use super::cdb::Cdb;
use super::sense::{AdditionalSense, Sense};

/// What a command does, whatever the length of its CDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    TestUnitReady,
    Inquiry,
    ReadCapacity10,
    ReadCapacity16,
    Read,
    Write,
}

/// One command.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) command: Command,
    /// The service action in the lower five bits of byte 1, for operation codes that have any.
    pub(super) service_action: Option<u8>,
    /// The operation code, then the bits of every byte of the CDB that mean something here; any other has to be zero.
    /// Its length is the CDB's.
    pub(super) usage: &'static [u8],
}

const fn entry(command: Command, usage: &'static [u8]) -> Entry {
    Entry { command, service_action: None, usage }
}

const fn action(command: Command, service_action: u8, usage: &'static [u8]) -> Entry {
    Entry { command, service_action: Some(service_action), usage }
}

use Command as C;

/// In the order of operation code and service action. The control byte (the last) has no bit that is used here.
static TABLE: &[Entry] = &[
    entry(C::TestUnitReady, &[0x00, 0, 0, 0, 0, 0]),
    entry(C::Read, &[0x08, 0x1f, 0xff, 0xff, 0xff, 0]),
    entry(C::Write, &[0x0a, 0x1f, 0xff, 0xff, 0xff, 0]),
    entry(C::Inquiry, &[0x12, 0x01, 0xff, 0xff, 0xff, 0]),
    entry(C::ReadCapacity10, &[0x25, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x01, 0]),
    entry(C::Read, &[0x28, 0x18, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0]),
    entry(C::Write, &[0x2a, 0x18, 0xff, 0xff, 0xff, 0xff, 0x1f, 0xff, 0xff, 0]),
    entry(C::Read, &[0x88, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0]),
    entry(C::Write, &[0x8a, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0]),
    action(
        C::ReadCapacity16,
        0x10,
        &[0x9e, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0],
    ),
    entry(C::Read, &[0xa8, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0]),
    entry(C::Write, &[0xaa, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0]),
];

/// The command of a CDB.
///
/// # Errors
/// INVALID COMMAND OPERATION CODE; for a service action that is not known, INVALID FIELD IN CDB.
pub(super) fn find(cdb: &Cdb) -> Result<&'static Entry, Sense> {
    let mut of_opcode = TABLE.iter().filter(|entry| entry.opcode() == cdb.opcode()).peekable();
    if of_opcode.peek().is_none() {
        return Err(Sense::illegal(AdditionalSense::INVALID_COMMAND_OPERATION_CODE));
    }
    let asked = cdb.byte(1) & 0x1f;
    of_opcode
        .find(|entry| entry.service_action.is_none_or(|action| action == asked))
        .ok_or(Sense::invalid_cdb_bit(1, 4))
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

    /// Commands that are carried out while a unit attention waits, which goes on waiting.
    pub(super) fn passes_attentions(&self) -> bool {
        matches!(self.command, Command::Inquiry)
    }
}

impl Command {
    /// Bytes of data-out that a good command of this kind wants; 0 when it is going to be refused.
    pub(super) fn data_out_bytes(self, cdb: &Cdb, size_bytes: u64) -> u64 {
        let transfer = || {
            let range = Addressed::of(cdb).on_device(size_bytes)?;
            range.transfer_length(length_field_byte(cdb))
        };
        match self {
            Self::Write => transfer().map_or(0, u64::from),
            Self::TestUnitReady | Self::Inquiry | Self::ReadCapacity10 | Self::ReadCapacity16 | Self::Read => 0,
        }
    }
}
