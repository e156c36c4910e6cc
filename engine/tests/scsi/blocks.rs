//! Reading, writing and verifying.

use std::sync::atomic::Ordering;

use aurochs_engine::frontend::scsi::{AdditionalSense, SenseKey, Status};

use crate::initiator::{BLOCK, blocks_of, good, illegal, read_16, refused, run, sixteen, write_16};
use crate::{Bench, MIB};

const OUT_OF_RANGE: (SenseKey, AdditionalSense) = illegal(AdditionalSense::LBA_OUT_OF_RANGE);

#[tokio::test]
async fn every_length_of_cdb_reads_what_every_other_wrote() {
    let bench = Bench::new().await;
    let writes: [&[u8]; 4] = [
        &[0x0a, 0, 0, 8, 2, 0],
        &[0x2a, 0, 0, 0, 0, 8, 0, 0, 2, 0],
        &[0xaa, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0],
        &write_16(8, 2),
    ];
    let reads: [&[u8]; 4] = [
        &[0x08, 0, 0, 8, 2, 0],
        &[0x28, 0, 0, 0, 0, 8, 0, 0, 2, 0],
        &[0xa8, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0],
        &read_16(8, 2),
    ];
    for (byte, write) in (1..).zip(writes) {
        good(&bench.host, write, &blocks_of(byte, 2)).await;
        for read in reads {
            assert_eq!(good(&bench.host, read, &[]).await, blocks_of(byte, 2));
        }
    }
    assert_eq!(good(&bench.host, &[0x08, 0, 0, 0, 0, 0], &[]).await.len(), 256 * BLOCK, "READ (6) of 0 means 256");
    assert!(good(&bench.host, &read_16(0, 0), &[]).await.is_empty());
}

#[tokio::test]
async fn nothing_past_the_end_is_read_or_written() {
    let bench = Bench::new().await;
    let end = 4 * MIB / 512;
    for (lba, blocks) in [(end, 1), (end - 1, 2), (end + 1, 0), (u64::MAX, 1), (u64::MAX, u32::MAX), (1 << 55, 1)] {
        assert_eq!(refused(&bench.host, &read_16(lba, blocks), &[]).await, OUT_OF_RANGE, "{lba} {blocks}");
        assert_eq!(refused(&bench.host, &write_16(lba, blocks), &blocks_of(1, 2)).await, OUT_OF_RANGE);
    }
    good(&bench.host, &write_16(end - 1, 1), &blocks_of(7, 1)).await;
    assert_eq!(std::fs::metadata(bench.device.path()).unwrap().len(), 4 * MIB);
}

#[tokio::test]
async fn a_write_that_brings_less_than_it_says_writes_the_blocks_it_brings() {
    let bench = Bench::new().await;
    good(&bench.host, &write_16(0, 4), &blocks_of(1, 4)).await;
    let mut short = blocks_of(2, 2);
    short.extend([2; 100]);
    good(&bench.host, &write_16(0, 4), &short).await;
    let expected = [blocks_of(2, 2), blocks_of(1, 2)].concat();
    assert_eq!(good(&bench.host, &read_16(0, 4), &[]).await, expected);
}

#[tokio::test]
async fn forced_unit_access_and_synchronize_cache_reach_the_disks() {
    let bench = Bench::new().await;
    good(&bench.host, &write_16(0, 1), &blocks_of(1, 1)).await;
    assert_eq!(bench.device.counts.stable_writes.load(Ordering::SeqCst), 0);
    good(&bench.host, &sixteen(0x8a, 0x08, 0, 1), &blocks_of(1, 1)).await;
    assert_eq!(bench.device.counts.stable_writes.load(Ordering::SeqCst), 1);
    // Bit 3 of WRITE (6) belongs to the LBA.
    good(&bench.host, &[0x0a, 0, 0, 8, 1, 0], &blocks_of(1, 1)).await;
    assert_eq!(bench.device.counts.stable_writes.load(Ordering::SeqCst), 1);
    good(&bench.host, &[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[]).await;
    // IMMED, too: it is answered when it is done.
    good(&bench.host, &sixteen(0x91, 0x02, 0, 0), &[]).await;
    assert_eq!(bench.device.counts.flushes.load(Ordering::SeqCst), 2);
    // What a read with FUA or a verification saw is durable, too.
    good(&bench.host, &sixteen(0x88, 0x08, 0, 1), &[]).await;
    good(&bench.host, &sixteen(0x8f, 0, 0, 1), &[]).await;
    assert_eq!(bench.device.counts.flushes.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn verification_finds_the_first_byte_that_differs() {
    let bench = Bench::new().await;
    let length = 3 * MIB as usize;
    let blocks = (length / BLOCK) as u32;
    let mut data = blocks_of(5, blocks as usize);
    good(&bench.host, &write_16(0, blocks), &data).await;
    good(&bench.host, &sixteen(0x8f, 0x02, 0, blocks), &data).await;
    good(&bench.host, &sixteen(0x8f, 0x06, 0, blocks), &blocks_of(5, 1)).await;
    let at = length - 700;
    data[at] = 6;
    let miscompare = (SenseKey::Miscompare, AdditionalSense::MISCOMPARE_DURING_VERIFY);
    let completion = run(&bench.host, &sixteen(0x8f, 0x02, 0, blocks), &data).await;
    let sense = completion.sense.unwrap();
    assert_eq!((sense.key, sense.code), miscompare);
    let encoded = sense.encode();
    assert_eq!(encoded[0], 0xf0, "the information field is valid");
    assert_eq!(encoded[3..7], (at as u32).to_be_bytes());
    // BYTCHK 0 looks whether the medium can be read, whatever data come.
    good(&bench.host, &sixteen(0x8f, 0, 0, blocks), &data).await;
    assert_eq!(refused(&bench.host, &sixteen(0x8f, 0x06, 0, blocks), &blocks_of(6, 1)).await, miscompare);
    let reserved = refused(&bench.host, &sixteen(0x8f, 0x04, 0, 1), &blocks_of(6, 1)).await;
    assert_eq!(reserved, illegal(AdditionalSense::INVALID_FIELD_IN_CDB));
}

#[tokio::test]
async fn write_and_verify_is_on_stable_storage() {
    let bench = Bench::new().await;
    for (byte, flags) in [(1, 0x00), (2, 0x02)] {
        let done = run(&bench.host, &sixteen(0x8e, flags, 3, 2), &blocks_of(byte, 2)).await;
        assert_eq!(done.status, Status::Good);
        assert_eq!(good(&bench.host, &read_16(3, 2), &[]).await, blocks_of(byte, 2));
    }
    assert_eq!(bench.device.counts.stable_writes.load(Ordering::SeqCst), 2);
}
