//! Standard INQUIRY data.

use super::padded;

/// Vendor identification, registered nowhere: eight characters.
pub(super) const VENDOR: &str = "AUROCHS";
const PRODUCT: &str = "Volume";
/// Standards that are followed: SAM-5, SPC-4, SBC-3, iSCSI, each in its "no version claimed" form.
const VERSION_DESCRIPTORS: [u16; 4] = [0x00a0, 0x0460, 0x04c0, 0x0960];
const BYTES: usize = 96;

/// The 96 bytes of standard INQUIRY data:
///
/// | bytes | what |
/// |---|---|
/// | 0 | direct-access block device, connected |
/// | 2 | version: SPC-4 |
/// | 3 | HiSUP, response data format 2 |
/// | 4 | additional length |
/// | 5 | TPGS: implicit asymmetric access; 3PC: EXTENDED COPY |
/// | 7 | CmdQue |
/// | 8–15, 16–31, 32–35 | vendor, product, revision |
/// | 58– | version descriptors |
pub(super) fn data() -> Vec<u8> {
    let mut data = vec![0; BYTES];
    data[2] = 0x06;
    data[3] = 0x12;
    data[4] = (BYTES - 5) as u8;
    data[5] = 0x18;
    data[7] = 0x02;
    data[8..16].copy_from_slice(&padded(VENDOR, 8));
    data[16..32].copy_from_slice(&padded(PRODUCT, 16));
    data[32..36].copy_from_slice(&padded(env!("CARGO_PKG_VERSION"), 4));
    for (slot, descriptor) in data[58..].chunks_exact_mut(2).zip(VERSION_DESCRIPTORS) {
        slot.copy_from_slice(&descriptor.to_be_bytes());
    }
    data
}
