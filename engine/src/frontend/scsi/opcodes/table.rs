//! The table of all commands, in the order of operation code and service action.

use super::Access::{Asks, Free, Manages, Reads, Writes};
use super::{Access, Command as C, Entry};

const fn entry(command: C, access: Access, usage: &'static [u8]) -> Entry {
    Entry { command, access, service_action: None, usage }
}

const fn action(command: C, access: Access, service_action: u8, usage: &'static [u8]) -> Entry {
    Entry { command, access, service_action: Some(service_action), usage }
}

/// All bits of a byte.
const F: u8 = 0xff;
/// The group number: it is taken and means nothing.
const G: u8 = 0x1f;

// The usage of the command families with an LBA and a number of blocks; `flags` are the bits of byte 1.
const fn ten(opcode: u8, flags: u8) -> [u8; 10] {
    [opcode, flags, F, F, F, F, G, F, F, 0]
}
const fn twelve(opcode: u8, flags: u8) -> [u8; 12] {
    [opcode, flags, F, F, F, F, F, F, F, F, G, 0]
}
const fn sixteen(opcode: u8, flags: u8) -> [u8; 16] {
    [opcode, flags, F, F, F, F, F, F, F, F, F, F, F, F, G, 0]
}

/// With the obsolete FUA_NV, which asks for less than is done anyhow.
const DPO_FUA: u8 = 0x1a;
const DPO_BYTCHK: u8 = 0x16;
const IMMED: u8 = 0x02;
const UNMAP: u8 = 0x08;
const UNMAP_NDOB: u8 = 0x09;

const PERSISTENT_IN: [u8; 10] = [0x5e, 0x1f, 0, 0, 0, 0, 0, F, F, 0];
const PERSISTENT_OUT: [u8; 10] = [0x5f, 0x1f, F, 0, 0, F, F, F, F, 0];

const COPY_RESULTS: [u8; 16] = [0x84, 0x1f, F, 0, 0, 0, 0, 0, 0, 0, F, F, F, F, 0, 0];

/// The control byte (the last one) has no bit that is used here.
pub(super) static TABLE: &[Entry] = &[
    entry(C::TestUnitReady, Asks, &[0x00, 0, 0, 0, 0, 0]),
    entry(C::RequestSense, Free, &[0x03, 0, 0, 0, F, 0]),
    entry(C::Read, Reads, &[0x08, 0x1f, F, F, F, 0]),
    entry(C::Write, Writes, &[0x0a, 0x1f, F, F, F, 0]),
    entry(C::Inquiry, Free, &[0x12, 0x01, F, F, F, 0]),
    entry(C::ModeSelect, Manages, &[0x15, 0x11, 0, 0, F, 0]),
    entry(C::Reserve6, Asks, &[0x16, 0, 0, 0, 0, 0]),
    entry(C::Release6, Free, &[0x17, 0, 0, 0, 0, 0]),
    entry(C::ModeSense, Reads, &[0x1a, 0x08, F, F, F, 0]),
    entry(C::StartStopUnit, Manages, &[0x1b, 0x01, 0, 0x0f, 0xf7, 0]),
    entry(C::ReadCapacity10, Asks, &[0x25, 0, F, F, F, F, 0, 0, 0x01, 0]),
    entry(C::Read, Reads, &ten(0x28, DPO_FUA)),
    entry(C::Write, Writes, &ten(0x2a, DPO_FUA)),
    entry(C::WriteAndVerify, Writes, &ten(0x2e, DPO_BYTCHK)),
    entry(C::Verify, Reads, &ten(0x2f, DPO_BYTCHK)),
    entry(C::PreFetch, Reads, &ten(0x34, IMMED)),
    entry(C::SynchronizeCache, Manages, &ten(0x35, IMMED)),
    entry(C::ReadDefectData, Reads, &[0x37, 0, 0x1f, 0, 0, 0, 0, F, F, 0]),
    entry(C::WriteSame, Writes, &ten(0x41, UNMAP)),
    entry(C::Unmap, Writes, &[0x42, 0, 0, 0, 0, 0, G, F, F, 0]),
    entry(C::ModeSelect, Manages, &[0x55, 0x11, 0, 0, 0, 0, 0, F, F, 0]),
    entry(C::ModeSense, Reads, &[0x5a, 0x18, F, F, 0, 0, 0, F, F, 0]),
    action(C::PersistentReserveIn, Asks, 0x00, &PERSISTENT_IN),
    action(C::PersistentReserveIn, Asks, 0x01, &PERSISTENT_IN),
    action(C::PersistentReserveIn, Asks, 0x02, &PERSISTENT_IN),
    action(C::PersistentReserveIn, Asks, 0x03, &PERSISTENT_IN),
    action(C::PersistentReserveOut, Asks, 0x00, &PERSISTENT_OUT),
    action(C::PersistentReserveOut, Asks, 0x01, &PERSISTENT_OUT),
    action(C::PersistentReserveOut, Asks, 0x02, &PERSISTENT_OUT),
    action(C::PersistentReserveOut, Asks, 0x03, &PERSISTENT_OUT),
    action(C::PersistentReserveOut, Asks, 0x04, &PERSISTENT_OUT),
    action(C::PersistentReserveOut, Asks, 0x05, &PERSISTENT_OUT),
    action(C::PersistentReserveOut, Asks, 0x06, &PERSISTENT_OUT),
    action(C::ExtendedCopy, Writes, 0x00, &[0x83, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, F, F, F, F, 0, 0]),
    action(C::ReceiveCopyResults, Asks, 0x00, &COPY_RESULTS),
    action(C::ReceiveCopyResults, Asks, 0x03, &COPY_RESULTS),
    entry(C::Read, Reads, &sixteen(0x88, DPO_FUA)),
    entry(C::CompareAndWrite, Writes, &[0x89, DPO_FUA, F, F, F, F, F, F, F, F, 0, 0, 0, F, G, 0]),
    entry(C::Write, Writes, &sixteen(0x8a, DPO_FUA)),
    entry(C::OrWrite, Writes, &sixteen(0x8b, DPO_FUA)),
    entry(C::WriteAndVerify, Writes, &sixteen(0x8e, DPO_BYTCHK)),
    entry(C::Verify, Reads, &sixteen(0x8f, DPO_BYTCHK)),
    entry(C::PreFetch, Reads, &sixteen(0x90, IMMED)),
    entry(C::SynchronizeCache, Manages, &sixteen(0x91, IMMED)),
    entry(C::WriteSame, Writes, &sixteen(0x93, UNMAP_NDOB)),
    action(C::ReadCapacity16, Asks, 0x10, &[0x9e, 0x1f, F, F, F, F, F, F, F, F, F, F, F, F, 0x01, 0]),
    entry(C::ReportLuns, Free, &[0xa0, 0, F, 0, 0, 0, F, F, F, F, 0, 0]),
    action(C::ReportTargetPortGroups, Asks, 0x0a, &[0xa3, 0x1f, 0, 0, 0, 0, F, F, F, F, 0, 0]),
    action(C::ReportSupportedOperationCodes, Asks, 0x0c, &[0xa3, 0x1f, 0x87, F, F, F, F, F, F, F, 0, 0]),
    action(C::ReportSupportedTaskManagement, Asks, 0x0d, &[0xa3, 0x1f, 0x80, 0, 0, 0, F, F, F, F, 0, 0]),
    entry(C::Read, Reads, &twelve(0xa8, DPO_FUA)),
    entry(C::Write, Writes, &twelve(0xaa, DPO_FUA)),
    entry(C::WriteAndVerify, Writes, &twelve(0xae, DPO_BYTCHK)),
    entry(C::Verify, Reads, &twelve(0xaf, DPO_BYTCHK)),
    entry(C::ReadDefectData, Reads, &[0xb7, 0x1f, 0, 0, 0, 0, F, F, F, F, 0, 0]),
];
