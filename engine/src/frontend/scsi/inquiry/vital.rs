//! Vital product data pages.

use super::super::identity::Identity;
use super::super::{
    BLOCK_BYTES, BLOCKS_PER_PHYSICAL_BLOCK_EXPONENT, MAX_COMPARE_AND_WRITE_BLOCKS, MAX_TRANSFER_BYTES,
    MAX_UNMAP_BLOCKS, MAX_UNMAP_DESCRIPTORS, MAX_WRITE_SAME_BLOCKS,
};
use super::padded;
use super::standard::VENDOR;

/// Larger requests are not faster, and make others wait.
const OPTIMAL_TRANSFER_BYTES: u64 = 1 << 20;
const SUPPORTED_PAGES: [u8; 6] = [0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2];

/// A page with its header, or `None` for a page that is not had.
pub(super) fn page(code: u8, identity: &Identity) -> Option<Vec<u8>> {
    let body = match code {
        0x00 => SUPPORTED_PAGES.to_vec(),
        0x80 => identity.serial.clone().into_bytes(),
        0x83 => device_identification(identity),
        0xb0 => block_limits(),
        0xb1 => block_device_characteristics(),
        0xb2 => logical_block_provisioning(),
        _ => return None,
    };
    let mut page = vec![0, code];
    page.extend((body.len() as u16).to_be_bytes());
    page.extend(body);
    Some(page)
}

/// Designators: NAA, T10 vendor id and EUI-like names of the unit; relative port, port group and iSCSI name of the port.
fn device_identification(identity: &Identity) -> Vec<u8> {
    let mut body = Vec::new();
    // Code set (1 binary, 2 ASCII, 3 UTF-8), association and type, bytes.
    let mut designator = |code_set: u8, kind: u8, bytes: &[u8]| {
        body.extend([code_set, kind, 0, bytes.len() as u8]);
        body.extend_from_slice(bytes);
    };
    let of_port = 0x90;
    designator(1, 0x03, &identity.naa.to_be_bytes());
    let mut vendor_specific = padded(VENDOR, 8);
    vendor_specific.extend(identity.serial.as_bytes());
    designator(2, 0x01, &vendor_specific);
    let port = [0, 0, (identity.target_port >> 8) as u8, identity.target_port as u8];
    designator(0x51, of_port | 0x04, &port);
    designator(0x51, of_port | 0x05, &port);
    designator(0x53, of_port | 0x08, &port_name(identity));
    body
}

/// SCSI name string of the target port: name, `,t,0x`, tag of the portal group; ends with a zero byte and is filled up
/// to a multiple of four.
fn port_name(identity: &Identity) -> Vec<u8> {
    let mut name = format!("{},t,0x{:04x}\0", identity.target_name, identity.target_port).into_bytes();
    name.resize(name.len().next_multiple_of(4), 0);
    name.truncate(252);
    name
}

/// Block limits. Offsets are those of the page, whose header has four bytes:
///
/// | bytes | what |
/// |---|---|
/// | 5 | most blocks of COMPARE AND WRITE |
/// | 6–7 | optimal granularity: a physical block |
/// | 8–11, 12–15, 16–19 | most blocks of a transfer; optimal number; most blocks of PRE-FETCH (no limit) |
/// | 20–23, 24–27 | most blocks and most ranges of UNMAP |
/// | 28–31, 32–35 | granularity of UNMAP; its alignment 0, valid |
/// | 36–43 | most blocks of WRITE SAME |
fn block_limits() -> Vec<u8> {
    let physical_block = 1 << BLOCKS_PER_PHYSICAL_BLOCK_EXPONENT;
    let mut page = vec![0; 64];
    page[5] = MAX_COMPARE_AND_WRITE_BLOCKS;
    page[7] = physical_block;
    let mut field = |at: usize, value: u32| page[at..at + 4].copy_from_slice(&value.to_be_bytes());
    field(8, (MAX_TRANSFER_BYTES / BLOCK_BYTES) as u32);
    field(12, (OPTIMAL_TRANSFER_BYTES / BLOCK_BYTES) as u32);
    field(20, MAX_UNMAP_BLOCKS);
    field(24, MAX_UNMAP_DESCRIPTORS);
    field(28, u32::from(physical_block));
    field(32, 1 << 31);
    page[36..44].copy_from_slice(&MAX_WRITE_SAME_BLOCKS.to_be_bytes());
    page.split_off(4)
}

/// Characteristics: non-rotating medium.
fn block_device_characteristics() -> Vec<u8> {
    let mut body = vec![0; 60];
    body[1] = 1;
    body
}

/// Provisioning (LBPU, LBPWS, LBPWS10; type 2): thin, unmapped by UNMAP and by both WRITE SAMEs; what an unmapped block reads as is not promised.
fn logical_block_provisioning() -> Vec<u8> {
    vec![0, 0xe0, 0x02, 0]
}
