//! Who may use the unit while somebody has it reserved.

use aurochs_engine::frontend::scsi::{AdditionalSense, Nexus, SenseKey, Status};

use crate::Bench;
use crate::file_device::FileDevice;
use crate::initiator::{blocks_of, cdb, good, illegal, read_16, refused, run, session, write_16};

type Host = Nexus<FileDevice>;

const REGISTER: u8 = 0;
const RESERVE: u8 = 1;
const RELEASE: u8 = 2;
const CLEAR: u8 = 3;
const PREEMPT: u8 = 4;
const PREEMPT_AND_ABORT: u8 = 5;
const REGISTER_AND_IGNORE: u8 = 6;

const WRITE_EXCLUSIVE: u8 = 1;
const EXCLUSIVE_ACCESS: u8 = 3;
const WRITE_EXCLUSIVE_REGISTRANTS: u8 = 5;
const EXCLUSIVE_ACCESS_REGISTRANTS: u8 = 6;
const WRITE_EXCLUSIVE_ALL: u8 = 7;
const EXCLUSIVE_ACCESS_ALL: u8 = 8;

fn parameters(key: u64, action_key: u64) -> Vec<u8> {
    [&key.to_be_bytes()[..], &action_key.to_be_bytes(), &[0; 8]].concat()
}

async fn out(host: &Host, action: u8, kind: u8, key: u64, action_key: u64) -> Status {
    let bytes = [0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0];
    run(host, &bytes, &parameters(key, action_key)).await.status
}

async fn out_good(host: &Host, action: u8, kind: u8, key: u64, action_key: u64) {
    assert_eq!(out(host, action, kind, key, action_key).await, Status::Good);
}

async fn persistent_in(host: &Host, action: u8) -> Vec<u8> {
    good(host, &[0x5e, action, 0, 0, 0, 0, 0, 4, 0, 0], &[]).await
}

async fn keys(host: &Host) -> Vec<u64> {
    persistent_in(host, 0).await[8..].chunks(8).map(|key| u64::from_be_bytes(key.try_into().unwrap())).collect()
}

/// Key and type of the reservation.
async fn reservation(host: &Host) -> Option<(u64, u8)> {
    let data = persistent_in(host, 1).await;
    (data.len() > 8).then(|| (u64::from_be_bytes(data[8..16].try_into().unwrap()), data[21]))
}

async fn can_read(host: &Host) -> bool {
    allowed(run(host, &read_16(0, 1), &[]).await.status)
}

async fn can_write(host: &Host) -> bool {
    allowed(run(host, &write_16(0, 1), &blocks_of(1, 1)).await.status)
}

fn allowed(status: Status) -> bool {
    assert!(matches!(status, Status::Good | Status::ReservationConflict), "{status:?}");
    status == Status::Good
}

/// Forgets what the host would be told.
async fn settle(host: &Host) {
    while run(host, &[0x00], &[]).await.status == Status::CheckCondition {}
}

#[tokio::test]
async fn reserve_6_ends_with_its_session_and_with_a_reset() {
    let bench = Bench::new().await;
    let (reserve, release) = ([0x16], [0x17]);
    let other = session(&bench.unit, 2).await;
    good(&bench.host, &reserve, &[]).await;
    good(&bench.host, &reserve, &[]).await;
    for stopped in [&reserve[..], &[0x00], &[0x1a, 0, 0x3f, 0, 255, 0], &read_16(0, 1)] {
        assert_eq!(run(&other, stopped, &[]).await.status, Status::ReservationConflict, "{stopped:x?}");
    }
    assert_eq!(out(&other, REGISTER, 0, 0, 1).await, Status::ReservationConflict);
    good(&other, &[0x12, 0, 0, 0, 36, 0], &[]).await;
    good(&other, &release, &[]).await;
    assert!(!can_read(&other).await, "who has not reserved releases nothing");
    let Bench { host, unit, .. } = bench;
    drop(host);
    assert!(can_write(&other).await);
    good(&other, &reserve, &[]).await;
    let third = session(&unit, 3).await;
    unit.reset(Some(&third));
    assert!(can_write(&third).await);
    let told = refused(&other, &[0x00], &[]).await;
    assert_eq!(told, (SenseKey::UnitAttention, AdditionalSense::BUS_DEVICE_RESET_FUNCTION_OCCURRED));
}

#[tokio::test]
async fn each_type_admits_whom_it_says() {
    let bench = Bench::new().await;
    let (registered, stranger) = (session(&bench.unit, 2).await, session(&bench.unit, 3).await);
    // Type; what a registrant and a stranger may: read, write.
    let table = [
        (WRITE_EXCLUSIVE, (true, false), (true, false)),
        (EXCLUSIVE_ACCESS, (false, false), (false, false)),
        (WRITE_EXCLUSIVE_REGISTRANTS, (true, true), (true, false)),
        (EXCLUSIVE_ACCESS_REGISTRANTS, (true, true), (false, false)),
        (WRITE_EXCLUSIVE_ALL, (true, true), (true, false)),
        (EXCLUSIVE_ACCESS_ALL, (true, true), (false, false)),
    ];
    out_good(&bench.host, REGISTER, 0, 0, 1).await;
    out_good(&registered, REGISTER, 0, 0, 2).await;
    for (kind, of_registered, of_stranger) in table {
        out_good(&bench.host, RESERVE, kind, 1, 0).await;
        assert_eq!((can_read(&bench.host).await, can_write(&bench.host).await), (true, true), "type {kind}");
        assert_eq!((can_read(&registered).await, can_write(&registered).await), of_registered, "type {kind}");
        assert_eq!((can_read(&stranger).await, can_write(&stranger).await), of_stranger, "type {kind}");
        let holder_key = if kind >= WRITE_EXCLUSIVE_ALL { 0 } else { 1 };
        assert_eq!(reservation(&stranger).await, Some((holder_key, kind)));
        assert_eq!(out(&stranger, RESERVE, kind, 0, 0).await, Status::ReservationConflict);
        out_good(&bench.host, RELEASE, kind, 1, 0).await;
        settle(&registered).await;
    }
    assert_eq!(reservation(&stranger).await, None);
}

#[tokio::test]
async fn keys_guard_every_change() {
    let bench = Bench::new().await;
    assert_eq!(out(&bench.host, RESERVE, WRITE_EXCLUSIVE, 1, 0).await, Status::ReservationConflict);
    out_good(&bench.host, REGISTER, 0, 0, 1).await;
    assert_eq!(out(&bench.host, REGISTER, 0, 9, 2).await, Status::ReservationConflict);
    assert_eq!(out(&bench.host, RESERVE, WRITE_EXCLUSIVE, 9, 0).await, Status::ReservationConflict);
    assert_eq!(keys(&bench.host).await, [1]);
    out_good(&bench.host, REGISTER, 0, 1, 5).await;
    out_good(&bench.host, RESERVE, WRITE_EXCLUSIVE, 5, 0).await;
    out_good(&bench.host, REGISTER_AND_IGNORE, 0, 77, 6).await;
    assert_eq!(reservation(&bench.host).await, Some((6, WRITE_EXCLUSIVE)));
    let wrong = [0x5f, RELEASE, EXCLUSIVE_ACCESS, 0, 0, 0, 0, 0, 24, 0];
    let wrong = refused(&bench.host, &wrong, &parameters(6, 0)).await;
    assert_eq!(wrong, illegal(AdditionalSense::INVALID_RELEASE_OF_PERSISTENT_RESERVATION));
    let mut survives = parameters(6, 6);
    survives[20] = 0x01;
    let refused = refused(&bench.host, &[0x5f, REGISTER, 0, 0, 0, 0, 0, 0, 24, 0], &survives).await;
    assert_eq!(refused, illegal(AdditionalSense::INVALID_FIELD_IN_PARAMETER_LIST), "nothing survives a loss of power");
    assert_eq!(run(&bench.host, &[0x16], &[]).await.status, Status::ReservationConflict);
}

#[tokio::test]
async fn a_reservation_outlives_the_session_and_a_reset() {
    let bench = Bench::new().await;
    let other = session(&bench.unit, 2).await;
    out_good(&bench.host, REGISTER, 0, 0, 1).await;
    out_good(&bench.host, RESERVE, EXCLUSIVE_ACCESS, 1, 0).await;
    let Bench { host, unit, .. } = bench;
    drop(host);
    unit.reset(None);
    settle(&other).await;
    assert!(!can_read(&other).await);
    let back = session(&unit, 1).await;
    assert!(can_write(&back).await, "the same port is the holder still");
    let full = persistent_in(&other, 3).await;
    assert_eq!((full[8 + 12], full[8 + 13]), (1, EXCLUSIVE_ACCESS));
    assert!(full.windows(16).any(|name| name == b"example:host-1,i"));
    out_good(&back, REGISTER, 0, 1, 0).await;
    assert!(can_write(&other).await, "unregistering the holder ends the reservation");
}

#[tokio::test]
async fn preempting_takes_the_reservation_and_tells_whom_it_took_it_from() {
    let bench = Bench::new().await;
    let (other, third) = (session(&bench.unit, 2).await, session(&bench.unit, 3).await);
    for (host, key) in [(&bench.host, 1), (&other, 2), (&third, 3)] {
        out_good(host, REGISTER, 0, 0, key).await;
    }
    out_good(&bench.host, RESERVE, EXCLUSIVE_ACCESS_REGISTRANTS, 1, 0).await;
    assert_eq!(out(&other, PREEMPT, WRITE_EXCLUSIVE, 2, 44).await, Status::ReservationConflict);
    out_good(&other, PREEMPT, WRITE_EXCLUSIVE_REGISTRANTS, 2, 1).await;
    let attention = |code| (SenseKey::UnitAttention, code);
    assert_eq!(refused(&bench.host, &[0x00], &[]).await, attention(AdditionalSense::REGISTRATIONS_PREEMPTED));
    assert_eq!(refused(&third, &[0x00], &[]).await, attention(AdditionalSense::RESERVATIONS_RELEASED));
    assert_eq!(reservation(&other).await, Some((2, WRITE_EXCLUSIVE_REGISTRANTS)));
    assert_eq!(keys(&other).await, [2, 3]);
    assert!(!can_write(&bench.host).await);
    out_good(&third, CLEAR, 0, 3, 0).await;
    assert_eq!(refused(&other, &[0x00], &[]).await, attention(AdditionalSense::RESERVATIONS_PREEMPTED));
    assert_eq!((keys(&other).await, reservation(&other).await), (Vec::new(), None));
    assert!(can_write(&bench.host).await);
}

#[tokio::test]
async fn all_registrants_are_preempted_at_once_by_key_zero() {
    let bench = Bench::new().await;
    let other = session(&bench.unit, 2).await;
    out_good(&bench.host, REGISTER, 0, 0, 1).await;
    out_good(&other, REGISTER, 0, 0, 2).await;
    out_good(&bench.host, RESERVE, WRITE_EXCLUSIVE_ALL, 1, 0).await;
    out_good(&bench.host, REGISTER, 0, 1, 0).await;
    assert_eq!(reservation(&other).await, Some((0, WRITE_EXCLUSIVE_ALL)), "the last registrant still holds it");
    out_good(&bench.host, REGISTER, 0, 0, 1).await;
    out_good(&other, PREEMPT, EXCLUSIVE_ACCESS, 2, 0).await;
    assert_eq!((keys(&other).await, reservation(&other).await), (vec![2], Some((2, EXCLUSIVE_ACCESS))));
}

#[tokio::test]
async fn after_preempt_and_abort_no_older_write_reaches_the_disk() {
    let bench = Bench::new().await;
    let other = session(&bench.unit, 2).await;
    out_good(&bench.host, REGISTER, 0, 0, 1).await;
    out_good(&other, REGISTER, 0, 0, 2).await;
    out_good(&bench.host, RESERVE, WRITE_EXCLUSIVE, 1, 0).await;
    let held = bench.device.hold().await;
    let (write, data) = (write_16(0, 1), blocks_of(9, 1));
    let mut write = Box::pin(run(&bench.host, &write, &data));
    assert!(futures::poll!(&mut write).is_pending());
    let bytes = [0x5f, PREEMPT_AND_ABORT, WRITE_EXCLUSIVE, 0, 0, 0, 0, 0, 24, 0];
    let list = parameters(2, 1);
    assert_eq!(other.data_out_length(&cdb(&bytes)), 24);
    let mut preempt = Box::pin(run(&other, &bytes, &list));
    assert!(futures::poll!(&mut preempt).is_pending(), "the write is on its way");
    drop(held);
    assert_eq!(write.await.status, Status::Good);
    assert_eq!(preempt.await.status, Status::Good);
    settle(&bench.host).await;
    assert!(!can_write(&bench.host).await);
}
