//! What a host learns about the unit.

use aurochs_engine::frontend::scsi::{AdditionalSense, Identity, InitiatorPort, LogicalUnit, SenseKey};
use std::sync::Arc;

use crate::initiator::{code, good, illegal, refused, run};
use crate::{Bench, MIB};

#[tokio::test]
async fn names_are_those_of_the_volume_wherever_it_runs() {
    let bench = Bench::new().await;
    let inquiry = good(&bench.host, &[0x12, 0, 0, 0, 255], &[]).await;
    assert_eq!(&inquiry[8..16], b"AUROCHS ");
    let serial = good(&bench.host, &[0x12, 1, 0x80, 0, 255], &[]).await;
    let other = Arc::new(LogicalUnit::new(
        Arc::clone(&bench.device),
        Identity::new("vol-1", "iqn.2019-10.io.longhorn:vol-1", 7),
    ));
    let other = other.nexus(InitiatorPort { name: "iqn.a".into(), isid: [0; 6] });
    assert_eq!(good(&other, &[0x12, 1, 0x80, 0, 255], &[]).await, serial);
    let pages = good(&bench.host, &[0x12, 1, 0, 0, 255], &[]).await;
    for &page in &pages[4..] {
        let data = good(&bench.host, &[0x12, 1, page, 1, 255], &[]).await;
        assert_eq!((data[1], usize::from(data[3])), (page, data.len() - 4), "page {page:x}");
    }
    let unknown = refused(&bench.host, &[0x12, 1, 0xc0, 0, 255], &[]).await;
    assert_eq!(unknown, illegal(AdditionalSense::INVALID_FIELD_IN_CDB));
    let luns = good(&bench.host, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0], &[]).await;
    assert_eq!(luns, [0, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_volume_that_grows_tells_every_session_once_and_has_its_new_size() {
    let bench = Bench::new().await;
    let capacity = [0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0];
    let last = |data: &[u8]| u64::from_be_bytes(data[..8].try_into().unwrap());
    let data = good(&bench.host, &capacity, &[]).await;
    assert_eq!(last(&data), 4 * MIB / 512 - 1);
    assert_eq!((&data[8..12], data[13]), (&[0, 0, 2, 0][..], 3), "512 bytes, physical blocks of 4096");
    bench.device.grow(6 * MIB);
    bench.unit.size_changed();
    bench.unit.size_changed();
    let told = refused(&bench.host, &[0x00], &[]).await;
    assert_eq!(told, (SenseKey::UnitAttention, AdditionalSense::CAPACITY_DATA_HAS_CHANGED));
    assert_eq!(last(&good(&bench.host, &capacity, &[]).await), 6 * MIB / 512 - 1);
}

#[tokio::test]
async fn request_sense_tells_a_waiting_attention_as_data() {
    let bench = Bench::new().await;
    bench.unit.reset(None);
    assert_eq!(good(&bench.host, &[0x12, 0, 0, 0, 36], &[]).await.len(), 36, "INQUIRY does not wait");
    let sense = good(&bench.host, &[0x03, 0, 0, 0, 18], &[]).await;
    assert_eq!((sense[0], sense[2], sense[12], sense[13]), (0x70, 6, 0x29, 0x03));
    let sense = good(&bench.host, &[0x03, 0, 0, 0, 18], &[]).await;
    assert_eq!((sense[2], sense[12]), (0, 0));
}

#[tokio::test]
async fn every_reported_command_is_there_and_no_other() {
    let bench = Bench::new().await;
    let list = good(&bench.host, &[0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0], &[]).await;
    let reported: Vec<u8> = list[4..].chunks(8).map(|descriptor| descriptor[0]).collect();
    for opcode in 0..=255 {
        // A bit of the control byte that means nothing keeps commands from being carried out.
        let mut bytes = [0; 16];
        bytes[0] = opcode;
        bytes[[5, 9, 9, 15, 15, 11, 15, 15][usize::from(opcode >> 5)]] = 0x80;
        let (_, code) = code(&run(&bench.host, &bytes, &[]).await);
        let is_there = code != AdditionalSense::INVALID_COMMAND_OPERATION_CODE;
        assert_eq!(is_there, reported.contains(&opcode), "operation code {opcode:#x}");
    }
    let one = good(&bench.host, &[0xa3, 0x0c, 0x81, 0x2a, 0, 0, 0, 0, 0, 255, 0, 0], &[]).await;
    assert_eq!((one[1], one[3], one[4]), (0x83, 10, 0x2a));
    assert_eq!(one.len(), 4 + 10 + 12, "with its timeouts");
}

#[tokio::test]
async fn the_bit_at_fault_is_pointed_at() {
    let bench = Bench::new().await;
    // RDPROTECT in READ (10): there is no protection information.
    let completion = run(&bench.host, &[0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0], &[]).await;
    assert_eq!(code(&completion), illegal(AdditionalSense::INVALID_FIELD_IN_CDB));
    assert_eq!(completion.sense.unwrap().encode()[15..], [0xc8 | 5, 0, 1]);
}
