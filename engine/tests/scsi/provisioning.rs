//! UNMAP and WRITE SAME.

use std::sync::atomic::Ordering;

use aurochs_engine::frontend::scsi::{AdditionalSense, SenseKey};

use crate::initiator::{blocks_of, good, illegal, read_16, refused, sixteen, write_16};
use crate::{Bench, MIB};

const INVALID_FIELD: (SenseKey, AdditionalSense) = illegal(AdditionalSense::INVALID_FIELD_IN_CDB);

fn unmap(ranges: &[(u64, u32)]) -> ([u8; 10], Vec<u8>) {
    let length = 16 * ranges.len();
    let mut list = ((length + 6) as u16).to_be_bytes().to_vec();
    list.extend((length as u16).to_be_bytes());
    list.extend([0; 4]);
    for (lba, blocks) in ranges {
        list.extend(lba.to_be_bytes());
        list.extend(blocks.to_be_bytes());
        list.extend([0; 4]);
    }
    let bytes = (list.len() as u16).to_be_bytes();
    ([0x42, 0, 0, 0, 0, 0, 0, bytes[0], bytes[1], 0], list)
}

#[tokio::test]
async fn unmapped_space_is_given_back() {
    let bench = Bench::new().await;
    good(&bench.host, &write_16(0, 4096), &blocks_of(1, 4096)).await;
    let before = bench.device.allocated();
    let (cdb, list) = unmap(&[(0, 1024), (2048, 1024), (5, 0)]);
    good(&bench.host, &cdb, &list).await;
    assert!(bench.device.allocated() <= before - MIB);
    assert_eq!(good(&bench.host, &read_16(1024, 1024), &[]).await, blocks_of(1, 1024));
    let (cdb, list) = unmap(&[]);
    good(&bench.host, &cdb, &list).await;
    good(&bench.host, &[0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[]).await;
}

#[tokio::test]
async fn a_list_with_a_fault_unmaps_nothing() {
    let bench = Bench::new().await;
    let (cdb, list) = unmap(&[(0, 8), (4 * MIB / 512, 1)]);
    assert_eq!(refused(&bench.host, &cdb, &list).await, illegal(AdditionalSense::LBA_OUT_OF_RANGE));
    let (cdb, list) = unmap(&[(0, 0); 257]);
    assert_eq!(refused(&bench.host, &cdb, &list).await, illegal(AdditionalSense::INVALID_FIELD_IN_PARAMETER_LIST));
    let (cdb, list) = unmap(&[(0, 8)]);
    let cut = refused(&bench.host, &cdb, &list[..20]).await;
    assert_eq!(cut, illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR));
    assert_eq!(bench.device.counts.discards.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn write_same_writes_its_block_everywhere() {
    let bench = Bench::new().await;
    let mut block = blocks_of(3, 1);
    block[7] = 9;
    good(&bench.host, &sixteen(0x93, 0, 10, 5000), &block).await;
    let data = good(&bench.host, &read_16(9, 5002), &[]).await;
    assert!(data[..512].iter().chain(&data[5001 * 512..]).all(|&byte| byte == 0));
    assert!(data[512..5001 * 512].chunks(512).all(|written| written == block));
    // Unmapping would not leave these bytes, so they are written.
    good(&bench.host, &sixteen(0x93, 0x08, 0, 8), &block).await;
    assert_eq!(good(&bench.host, &read_16(7, 1), &[]).await, block);
    assert_eq!(bench.device.counts.zeroes_unmapping.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn write_same_of_zeros_unmaps_only_when_asked_to() {
    let bench = Bench::new().await;
    let counts = &bench.device.counts;
    let zeroed = || (counts.zeroes_keeping.load(Ordering::SeqCst), counts.zeroes_unmapping.load(Ordering::SeqCst));
    good(&bench.host, &write_16(0, 64), &blocks_of(1, 64)).await;
    good(&bench.host, &sixteen(0x93, 0, 0, 8), &blocks_of(0, 1)).await;
    assert_eq!(zeroed(), (1, 0));
    good(&bench.host, &[0x41, 0x08, 0, 0, 0, 8, 0, 0, 8, 0], &blocks_of(0, 1)).await;
    good(&bench.host, &sixteen(0x93, 0x09, 16, 8), &[]).await;
    assert_eq!(zeroed(), (1, 2));
    let expected = [blocks_of(0, 24), blocks_of(1, 40)].concat();
    assert_eq!(good(&bench.host, &read_16(0, 64), &[]).await, expected);
}

#[tokio::test]
async fn write_same_wants_one_block_of_data() {
    let bench = Bench::new().await;
    for data in [vec![1; 256], blocks_of(1, 2), Vec::new()] {
        assert_eq!(refused(&bench.host, &sixteen(0x93, 0, 0, 8), &data).await, INVALID_FIELD);
    }
    assert_eq!(refused(&bench.host, &sixteen(0x93, 0x01, 0, 8), &blocks_of(1, 1)).await, INVALID_FIELD);
    // ANCHOR, PBDATA and LBDATA are not had.
    for flags in [0x10, 0x18, 0x04, 0x02] {
        assert_eq!(refused(&bench.host, &sixteen(0x93, flags, 0, 8), &blocks_of(0, 1)).await, INVALID_FIELD);
    }
    assert_eq!(good(&bench.host, &read_16(0, 8), &[]).await, blocks_of(0, 8));
}

#[tokio::test]
async fn write_same_of_no_blocks_goes_to_the_end_and_no_further_than_the_limit() {
    let bench = Bench::new().await;
    let end = 4 * MIB / 512;
    good(&bench.host, &sixteen(0x93, 0, end - 3, 0), &blocks_of(6, 1)).await;
    assert_eq!(good(&bench.host, &read_16(end - 4, 4), &[]).await, [blocks_of(0, 1), blocks_of(6, 3)].concat());
    bench.device.grow(513 * MIB);
    assert_eq!(refused(&bench.host, &sixteen(0x93, 0x01, 0, 0), &[]).await, INVALID_FIELD);
    assert_eq!(good(&bench.host, &read_16(end - 3, 3), &[]).await, blocks_of(6, 3));
}
