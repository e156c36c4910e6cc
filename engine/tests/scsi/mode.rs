//! Mode pages.

use aurochs_engine::frontend::scsi::{AdditionalSense, SenseKey};

use crate::Bench;
use crate::initiator::{blocks_of, good, illegal, refused, session, write_16};

const CONTROL_AT: usize = 4;

#[tokio::test]
async fn the_write_cache_and_forced_unit_access_are_announced() {
    let bench = Bench::new().await;
    let data = good(&bench.host, &[0x1a, 0, 0x08, 0, 255, 0], &[]).await;
    assert_eq!(usize::from(data[0]), data.len() - 1);
    assert_eq!(data[2], 0x10, "DPO and FUA, not write protected");
    assert_eq!(data[3], 8, "a block descriptor");
    assert_eq!((data[12], data[14]), (0x08, 0x04), "caching page with WCE");
    let all = good(&bench.host, &[0x5a, 0x08, 0x3f, 0xff, 0, 0, 0, 0, 255, 0], &[]).await;
    assert_eq!(all.len(), 8 + 20 + 12);
    assert_eq!(all[8..28], data[12..]);
    let saved = refused(&bench.host, &[0x1a, 0, 0xc8, 0, 255, 0], &[]).await;
    assert_eq!(saved, illegal(AdditionalSense::SAVING_PARAMETERS_NOT_SUPPORTED));
}

#[tokio::test]
async fn a_host_can_protect_the_unit_from_writes_and_the_others_are_told() {
    let bench = Bench::new().await;
    let other = session(&bench.unit, 2).await;
    let mut list = good(&bench.host, &[0x1a, 0x08, 0x0a, 0, 255, 0], &[]).await;
    (list[0], list[2]) = (0, 0);
    let select = [0x15, 0x10, 0, 0, list.len() as u8, 0];
    // As it is: allowed, and nobody is told.
    good(&bench.host, &select, &list).await;
    good(&other, &[0x00], &[]).await;
    list[CONTROL_AT + 4] |= 0x08;
    good(&bench.host, &select, &list).await;
    let told = refused(&other, &[0x00], &[]).await;
    assert_eq!(told, (SenseKey::UnitAttention, AdditionalSense::MODE_PARAMETERS_CHANGED));
    let protected = (SenseKey::DataProtect, AdditionalSense::SOFTWARE_WRITE_PROTECTED);
    assert_eq!(refused(&other, &write_16(0, 1), &blocks_of(1, 1)).await, protected);
    assert_eq!(good(&other, &[0x1a, 0, 0x0a, 0, 255, 0], &[]).await[2] & 0x80, 0x80);
    list[CONTROL_AT + 4] = 0;
    good(&bench.host, &select, &list).await;
    good(&bench.host, &write_16(0, 1), &blocks_of(1, 1)).await;
}

#[tokio::test]
async fn nothing_else_can_be_changed() {
    let bench = Bench::new().await;
    let mut list = good(&bench.host, &[0x1a, 0x08, 0x08, 0, 255, 0], &[]).await;
    (list[0], list[2]) = (0, 0);
    let select = [0x15, 0x10, 0, 0, list.len() as u8, 0];
    list[CONTROL_AT + 2] = 0;
    let off = refused(&bench.host, &select, &list).await;
    assert_eq!(off, illegal(AdditionalSense::INVALID_FIELD_IN_PARAMETER_LIST), "the cache can't be switched off");
    let cut = refused(&bench.host, &[0x15, 0x10, 0, 0, 9, 0], &list[..9]).await;
    assert_eq!(cut, illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR));
    let saving = refused(&bench.host, &[0x15, 0x11, 0, 0, 4, 0], &list[..4]).await;
    assert_eq!(saving, illegal(AdditionalSense::INVALID_FIELD_IN_CDB));
}
