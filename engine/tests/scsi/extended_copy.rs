//! EXTENDED COPY.

use aurochs_engine::frontend::scsi::{AdditionalSense, SenseKey, Status};

use crate::file_device::FileDevice;
use crate::initiator::{BLOCK, blocks_of, good, illegal, read_16, refused, run, write_16};
use crate::{Bench, MIB};
use aurochs_engine::frontend::scsi::Nexus;

/// A list with one copy target and these segments: source, destination, number of blocks.
fn list(naa: &[u8], segments: &[(u64, u64, u16)]) -> Vec<u8> {
    let mut list = vec![7, 0, 0, 32, 0, 0, 0, 0];
    list.extend((28 * segments.len() as u32).to_be_bytes());
    list.extend([0; 4]);
    list.extend([0xe4, 0, 0, 0, 1, 3, 0, 8]);
    list.extend(naa);
    list.extend([0; 13]);
    list.extend([0, 2, 0]);
    for (from, to, blocks) in segments {
        list.extend([2, 0, 0, 24, 0, 0, 0, 0, 0, 0]);
        list.extend(blocks.to_be_bytes());
        list.extend(from.to_be_bytes());
        list.extend(to.to_be_bytes());
    }
    list
}

fn copy(list: &[u8]) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = 0x83;
    cdb[10..14].copy_from_slice(&(list.len() as u32).to_be_bytes());
    cdb
}

async fn naa(host: &Nexus<FileDevice>) -> Vec<u8> {
    good(host, &[0x12, 1, 0x83, 0, 255], &[]).await[8..16].to_vec()
}

#[tokio::test]
async fn segments_are_copied_also_onto_themselves() {
    let bench = Bench::new().await;
    let naa = naa(&bench.host).await;
    let data: Vec<u8> = (0..3 * MIB / 512).flat_map(|block| blocks_of(block as u8 ^ (block >> 8) as u8, 1)).collect();
    good(&bench.host, &write_16(0, (data.len() / BLOCK) as u32), &data).await;
    // Three MiB move by one block, which only works from the end; then one block of them is copied.
    let blocks = (data.len() / BLOCK) as u16;
    let segments = list(&naa, &[(0, 1, blocks), (10, 8000, 1), (5, 6, 0)]);
    good(&bench.host, &copy(&segments), &segments).await;
    assert!(good(&bench.host, &read_16(1, u32::from(blocks)), &[]).await == data);
    assert_eq!(good(&bench.host, &read_16(8000, 1), &[]).await, data[9 * BLOCK..10 * BLOCK]);
    let mut status = [0; 16];
    (status[0], status[2], status[13]) = (0x84, 7, 255);
    let told = good(&bench.host, &status, &[]).await;
    assert_eq!(told[..8], [0, 0, 0, 8, 1, 0, 3, 1]);
    assert_eq!(refused(&bench.host, &status, &[]).await, illegal(AdditionalSense::INVALID_FIELD_IN_CDB));
}

#[tokio::test]
async fn a_list_with_a_fault_copies_nothing() {
    let bench = Bench::new().await;
    let naa = naa(&bench.host).await;
    let end = 4 * MIB / 512;
    good(&bench.host, &write_16(0, 1), &blocks_of(1, 1)).await;
    let aborted = |code| (SenseKey::CopyAborted, code);
    let mut other = naa.clone();
    other[7] ^= 1;
    let mut truncated = list(&naa, &[(0, 9, 1)]);
    truncated.pop();
    let faults = [
        (list(&naa, &[(0, 9, 1), (0, end, 1)]), aborted(AdditionalSense::NONE)),
        (list(&naa, &[(0, 9, 1), (end - 1, 9, 2)]), aborted(AdditionalSense::NONE)),
        (list(&other, &[(0, 9, 1)]), aborted(AdditionalSense::UNREACHABLE_COPY_TARGET)),
        (list(&naa, &[(0, 9, 1); 17]), illegal(AdditionalSense::TOO_MANY_SEGMENT_DESCRIPTORS)),
        (truncated, illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR)),
    ];
    for (list, expected) in faults {
        assert_eq!(refused(&bench.host, &copy(&list), &list).await, expected, "{list:x?}");
    }
    assert_eq!(good(&bench.host, &read_16(9, 1), &[]).await, blocks_of(0, 1));
    assert_eq!(run(&bench.host, &copy(&[]), &[]).await.status, Status::Good);
}
