//! Several connections and sessions, growing, and leaving.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aurochs_engine::frontend::Frontend;

use crate::Served;
use crate::initiator::{
    DATA_IN, EVENT, FINAL, Initiator, LOGOUT_RESPONSE, NOP_IN, ORDERED, Pdu, R2T, READ, SCSI_RESPONSE, WRITE, cdb10,
    login_status, pattern,
};

/// A second connection of the same session.
async fn join(served: &Served, leader: &Initiator, connection: u16) -> Initiator {
    let mut initiator = Initiator::connect(served.portal()).await;
    (initiator.session, initiator.connection, initiator.cmd_sn) = (leader.session, connection, leader.cmd_sn);
    initiator.next_tag = u32::from(connection) << 16;
    initiator.login(&[]).await;
    assert_eq!(initiator.session, leader.session);
    initiator
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_a_session_share_its_order() {
    let served = Served::start().await;
    let mut first = served.ready(&[("MaxConnections", "2")]).await;
    let mut second = join(&served, &first, 1).await;
    // The later write comes first, on the other connection; both are carried out in order.
    let early = first.immediate_write(0, &pattern(512, 1));
    second.cmd_sn = first.cmd_sn;
    let late = second.immediate_write(0, &pattern(512, 2));
    let late_tag = late.tag();
    second.send(late).await;
    let ping = Pdu::new(0x40, FINAL, 99).with_u32(20, u32::MAX).with_u32(24, second.cmd_sn);
    second.send(ping).await;
    assert_eq!(second.expect(NOP_IN).await.tag(), 99, "the late write waits");
    assert!(served.content(0, 512).iter().all(|&byte| byte == 0));
    first.send(early).await;
    assert_eq!(first.expect(SCSI_RESPONSE).await.status(), 0);
    let answer = second.expect(SCSI_RESPONSE).await;
    assert_eq!((answer.tag(), answer.status()), (late_tag, 0), "answered where it came from");
    // A third is more than was agreed on.
    let mut third = Initiator::connect(served.portal()).await;
    (third.session, third.connection) = (first.session, 2);
    let names = [("InitiatorName", "iqn.1993-08.org.example:host"), ("TargetName", crate::initiator::TARGET)];
    assert_eq!(login_status(&third.login_step(0x87, &names).await), 0x0206);
    // One connection leaves, the session stays.
    let logout = Pdu::new(0x46, FINAL | 1, 5).with_u32(24, second.cmd_sn).with_bytes(20, &[0, 1]);
    second.send(logout).await;
    assert_eq!(second.expect(LOGOUT_RESPONSE).await.header[2], 0);
    second.expect_hang_up().await;
    first.cmd_sn = second.cmd_sn;
    assert_eq!(first.no_data(&[0]).await.status(), 0);
    drop(first);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_initiator_that_comes_back_replaces_its_session() {
    let served = Served::start().await;
    let mut old = served.ready(&[]).await;
    let held = served.device.hold().await;
    let write = old.immediate_write(0, &pattern(512, 1));
    old.send(write).await;
    while served.device.counts.running.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let portal = served.portal();
    let coming = tokio::spawn(async move { Initiator::ready(portal, &[]).await });
    old.expect_hang_up().await;
    assert!(!coming.is_finished(), "the old session's write is still in the device");
    drop(held);
    let mut new = coming.await.unwrap();
    assert!(new.read(0, 1, 512).await.0 == pattern(512, 1), "it was carried out before the new session began");
    drop(new);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_is_told_at_once_and_with_the_next_command() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    served.device.grow(2 * crate::SIZE);
    served.target.resizer().resize().await.unwrap();
    let event = initiator.expect(EVENT).await;
    assert_eq!((event.header[36], event.sense()), (0, (6, 0x2a, 9)));
    assert_eq!(initiator.no_data(&[0]).await.sense(), (6, 0x2a, 9));
    let last_block = (2 * crate::SIZE / 512 - 1) as u32;
    assert_eq!(initiator.read(last_block, 1, 512).await.1.status(), 0);
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_answers_what_has_begun() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let held = served.device.hold().await;
    let mut tags = Vec::new();
    for block in 0..32 {
        let write = initiator.immediate_write(block * 8, &pattern(4096, block));
        tags.push(write.tag());
        initiator.send(write).await;
    }
    while served.device.counts.running.load(Ordering::SeqCst) < 32 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stopping = tokio::spawn(served.target.stop(false));
    drop(held);
    for _ in 0..32 {
        let answer = initiator.expect(SCSI_RESPONSE).await;
        assert_eq!(answer.status(), 0);
        tags.retain(|&tag| tag != answer.tag());
    }
    assert!(tags.is_empty());
    assert_eq!(initiator.expect(EVENT).await.header[36], 3, "the target drops all connections");
    initiator.expect_hang_up().await;
    drop(initiator);
    stopping.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_ends_the_session_after_its_commands() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let write = initiator.immediate_write(0, &pattern(512, 7));
    let logout = Pdu::new(0x06, FINAL, 77).with_u32(24, initiator.cmd_sn);
    initiator.send(write).await;
    initiator.send(logout).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.status(), 0);
    let answer = initiator.expect(LOGOUT_RESPONSE).await;
    assert_eq!((answer.tag(), answer.header[2]), (77, 0));
    initiator.expect_hang_up().await;
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_is_answered_when_what_leaves_with_it_has_ended() {
    const CLOSE_CONNECTION: u8 = 1;
    for (flags, connection) in [(CLOSE_CONNECTION, 1), (0, 0)] {
        let served = Served::start().await;
        let mut first = served.ready(&[("MaxConnections", "2")]).await;
        let mut second = join(&served, &first, 1).await;
        let held = served.device.hold().await;
        let write = second.immediate_write(0, &pattern(512, 7));
        second.send(write).await;
        while served.device.counts.running.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let logout = Pdu::new(0x46, FINAL | flags, 77).with_u32(24, second.cmd_sn).with_bytes(20, &[0, connection]);
        first.send(logout).await;
        let mut answer = Box::pin(first.receive());
        // The other connection has been told to end, and waits for its write.
        let early = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
        assert!(early.is_err(), "answered while a write is in the device: {early:?}");
        drop(held);
        let answer = answer.await;
        assert_eq!((answer.opcode(), answer.tag(), answer.header[2]), (LOGOUT_RESPONSE, 77, 0));
        assert!(served.content(0, 512) == pattern(512, 7));
        drop((first, second));
        served.still_serves().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_initiator_is_not_let_in_while_its_old_writes_may_still_land() {
    let served = Served::start().await;
    let mut old = served.ready(&[]).await;
    let held = served.device.hold().await;
    let write = old.immediate_write(0, &pattern(512, 1));
    old.send(write).await;
    while served.device.counts.running.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let names = [("InitiatorName", "iqn.1993-08.org.example:host"), ("TargetName", crate::initiator::TARGET)];
    let mut new = Initiator::connect(served.portal()).await;
    assert_eq!(login_status(&new.login_step(0x87, &names).await), 0x0301, "it is to try again");
    assert!(served.content(0, 512).iter().all(|&byte| byte == 0));
    drop(held);
    let mut new = served.ready(&[]).await;
    assert!(new.read(0, 1, 512).await.0 == pattern(512, 1));
    drop(new);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_takes_its_unfinished_commands_with_it() {
    let served = Served::start().await;
    let mut first = served.ready(&[("MaxConnections", "2"), ("ImmediateData", "No")]).await;
    let mut second = join(&served, &first, 1).await;
    let write = second.command(&cdb10(0x2a, 0, 1), WRITE, 512);
    let tag = write.tag();
    second.send(write).await;
    second.expect(R2T).await;
    first.cmd_sn = second.cmd_sn;
    drop(second);
    // One with the same number takes its place when it has ended.
    let mut second = join(&served, &first, 1).await;
    let next = second.command(&[0], FINAL, 0).with_u32(16, tag);
    second.send(next).await;
    let answer = second.expect(SCSI_RESPONSE).await;
    assert_eq!((answer.tag(), answer.status()), (tag, 0));
    drop((first, second));
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_data_were_not_asked_for_is_not_acknowledged() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[("ImmediateData", "No")]).await;
    let end = (crate::SIZE / 512) as u32;
    let held = served.device.hold().await;
    let read = initiator.command(&cdb10(0x28, 0, 1), READ, 512);
    // Behind the end of the disk when it arrives, and no longer when its turn comes, behind the read.
    let write = initiator.command(&cdb10(0x2a, end, 1), WRITE | ORDERED, 512);
    let ping = Pdu::new(0x40, FINAL, 99).with_u32(20, u32::MAX).with_u32(24, initiator.cmd_sn);
    initiator.send(read).await;
    while served.device.counts.running.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    initiator.send(write).await;
    initiator.send(ping).await;
    assert_eq!(initiator.expect(NOP_IN).await.tag(), 99, "the write has arrived");
    served.device.grow(2 * crate::SIZE);
    drop(held);
    assert_eq!(initiator.expect(DATA_IN).await.status(), 0);
    let answer = initiator.expect(SCSI_RESPONSE).await;
    assert_eq!((answer.status(), answer.sense()), (2, (0x0b, 0x4b, 0)), "to be repeated");
    let again = initiator.command(&cdb10(0x2a, end, 1), WRITE, 512);
    initiator.send(again).await;
    let burst = initiator.expect(R2T).await;
    initiator.send(initiator.data_out(burst.tag(), burst.u32_at(20), 0, 0, &pattern(512, 1))).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.status(), 0);
    assert!(served.content(crate::SIZE as usize, 512) == pattern(512, 1));
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_connections_that_log_each_other_out_both_end() {
    const CLOSE_CONNECTION: u8 = 1;
    let served = Served::start().await;
    let mut first = served.ready(&[("MaxConnections", "2"), ("ImmediateData", "No")]).await;
    let mut second = join(&served, &first, 1).await;
    // Each has a write that waits for its data, so that it goes on receiving when it is told to end.
    let mut bursts = Vec::new();
    for initiator in [&mut first, &mut second] {
        let write = initiator.command(&cdb10(0x2a, 0, 1), WRITE, 512).with_u32(24, 2 + bursts.len() as u32);
        initiator.send(write).await;
        bursts.push(initiator.expect(R2T).await);
    }
    for (initiator, other) in [(&mut first, 1), (&mut second, 0)] {
        let logout = Pdu::new(0x46, FINAL | CLOSE_CONNECTION, 77).with_u32(24, 4).with_bytes(20, &[0, other]);
        initiator.send(logout).await;
        let ping = Pdu::new(0x40, FINAL, 99).with_u32(20, u32::MAX).with_u32(24, 4);
        initiator.send(ping).await;
        assert_eq!(initiator.expect(NOP_IN).await.tag(), 99, "the logout has arrived");
    }
    for (initiator, burst) in [&mut first, &mut second].into_iter().zip(&bursts) {
        initiator.send(initiator.data_out(burst.tag(), burst.u32_at(20), 0, 0, &pattern(512, 1))).await;
    }
    for initiator in [&mut first, &mut second] {
        // The other connection may have ended before this one's write.
        let mut answers = [initiator.receive().await, initiator.receive().await];
        answers.sort_by_key(Pdu::opcode);
        let [written, logged_out] = answers;
        assert_eq!((written.opcode(), written.status()), (SCSI_RESPONSE, 0));
        let (opcode, response) = (logged_out.opcode(), logged_out.header[2]);
        assert_eq!((opcode, logged_out.tag(), response), (LOGOUT_RESPONSE, 77, 0));
        assert_eq!(initiator.expect(EVENT).await.header[36], 3, "the target drops all connections");
        initiator.expect_hang_up().await;
    }
    drop((first, second));
    served.still_serves().await;
}
