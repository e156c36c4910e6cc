//! An initiator without a transport: builds CDBs and hands them to the device server as the iSCSI target does.

use std::sync::Arc;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::BlockDevice;
use aurochs_engine::frontend::scsi::{
    AdditionalSense, Cdb, Completion, Identity, InitiatorPort, LogicalUnit, Nexus, SenseKey, Status,
};

pub(crate) const BLOCK: usize = 512;

pub(crate) fn unit<D: BlockDevice>(device: Arc<D>) -> Arc<LogicalUnit<D>> {
    Arc::new(LogicalUnit::new(device, Identity::new("vol-1", "iqn.2019-10.io.longhorn:vol-1", 1)))
}

/// A session of a host, after it was told that it is new.
pub(crate) async fn session<D: BlockDevice>(unit: &Arc<LogicalUnit<D>>, host: u8) -> Nexus<D> {
    let name = format!("iqn.2024-01.com.example:host-{host}");
    let nexus = unit.nexus(InitiatorPort { name, isid: [0x80, 0, 0, 0, 0, host] });
    let first = run(&nexus, &[0x00], &[]).await;
    assert_eq!(code(&first), (SenseKey::UnitAttention, AdditionalSense::POWER_ON_OR_RESET));
    nexus
}

pub(crate) fn cdb(bytes: &[u8]) -> Cdb {
    let mut whole = [0; 16];
    whole[..bytes.len()].copy_from_slice(bytes);
    Cdb::new(whole)
}

/// Runs a command with all of `data` on offer.
pub(crate) async fn run<D: BlockDevice>(nexus: &Nexus<D>, bytes: &[u8], data: &[u8]) -> Completion {
    let cdb = cdb(bytes);
    let wanted = nexus.data_out_length(&cdb).min(data.len() as u64) as usize;
    nexus.execute(&cdb, data.len() as u64, AlignedBuf::copy_of(&data[..wanted])).await
}

/// Runs a command that has to end with GOOD; returns its data-in.
pub(crate) async fn good<D: BlockDevice>(nexus: &Nexus<D>, bytes: &[u8], data: &[u8]) -> Vec<u8> {
    let completion = run(nexus, bytes, data).await;
    assert_eq!(completion.status, Status::Good, "{bytes:x?}: {completion:?}");
    completion.data_in.as_ref().to_vec()
}

/// Runs a command that has to end with CHECK CONDITION; returns why.
pub(crate) async fn refused<D: BlockDevice>(
    nexus: &Nexus<D>,
    bytes: &[u8],
    data: &[u8],
) -> (SenseKey, AdditionalSense) {
    code(&run(nexus, bytes, data).await)
}

#[track_caller]
pub(crate) fn code(completion: &Completion) -> (SenseKey, AdditionalSense) {
    assert_eq!(completion.status, Status::CheckCondition, "{completion:?}");
    let sense = completion.sense.unwrap();
    (sense.key, sense.code)
}

pub(crate) const fn illegal(code: AdditionalSense) -> (SenseKey, AdditionalSense) {
    (SenseKey::IllegalRequest, code)
}

/// A CDB of the 16 byte family: LBA at 2, number of blocks at 10.
pub(crate) fn sixteen(opcode: u8, flags: u8, lba: u64, blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = opcode;
    cdb[1] = flags;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

pub(crate) fn read_16(lba: u64, blocks: u32) -> [u8; 16] {
    sixteen(0x88, 0, lba, blocks)
}

pub(crate) fn write_16(lba: u64, blocks: u32) -> [u8; 16] {
    sixteen(0x8a, 0, lba, blocks)
}

pub(crate) fn compare_and_write(lba: u64, blocks: u8) -> [u8; 16] {
    sixteen(0x89, 0, lba, u32::from(blocks))
}

pub(crate) fn blocks_of(byte: u8, blocks: usize) -> Vec<u8> {
    vec![byte; blocks * BLOCK]
}
