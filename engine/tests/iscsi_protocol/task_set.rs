//! Commands that ask for an order, while the data of others are still on their way; and what clearing the set tells.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::Served;
use crate::initiator::{
    FINAL, Initiator, NOP_IN, ORDERED, Pdu, R2T, REJECT, SCSI_RESPONSE, TASK_RESPONSE, WRITE, cdb10, pattern,
};

const CLEAR_TASK_SET: u8 = 4;
const HEAD_OF_QUEUE: u8 = 3;
const SLOW_DATA: [(&str, &str); 1] = [("ImmediateData", "No")];

/// What was sent before has been taken in when this is answered, and nothing else was answered before.
async fn ping(initiator: &mut Initiator) {
    let ping = Pdu::new(0x40, FINAL, 4242).with_u32(20, u32::MAX).with_u32(24, initiator.cmd_sn);
    initiator.send(ping).await;
    assert_eq!(initiator.expect(NOP_IN).await.tag(), 4242);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_command_waits_for_data_of_older_ones() {
    let served = Served::start().await;
    let mut initiator = served.ready(&SLOW_DATA).await;
    let write = initiator.command(&cdb10(0x2a, 0, 1), WRITE, 512);
    let ordered = initiator.command(&[0], FINAL | ORDERED, 0);
    let head = initiator.command(&[0], FINAL | HEAD_OF_QUEUE, 0);
    let tags = [head.tag(), write.tag(), ordered.tag()];
    initiator.send(write).await;
    let burst = initiator.expect(R2T).await;
    initiator.send(ordered).await;
    ping(&mut initiator).await;
    initiator.send(head).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.tag(), tags[0], "it waits for nobody");
    initiator.send(initiator.data_out(tags[1], burst.u32_at(20), 0, 0, &pattern(512, 1))).await;
    for tag in &tags[1..] {
        assert_eq!(initiator.expect(SCSI_RESPONSE).await.tag(), *tag);
    }
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_waits_for_data_of_an_older_ordered_one() {
    let served = Served::start().await;
    let mut initiator = served.ready(&SLOW_DATA).await;
    let write = initiator.command(&cdb10(0x2a, 0, 1), WRITE | ORDERED, 512);
    let after = initiator.command(&[0], FINAL, 0);
    let tags = [write.tag(), after.tag()];
    initiator.send(write).await;
    let burst = initiator.expect(R2T).await;
    initiator.send(after).await;
    ping(&mut initiator).await;
    initiator.send(initiator.data_out(tags[0], burst.u32_at(20), 0, 0, &pattern(512, 1))).await;
    for tag in tags {
        assert_eq!(initiator.expect(SCSI_RESPONSE).await.tag(), tag);
    }
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_writes_behind_an_ordered_one_hold_no_memory_that_it_needs() {
    const MOST_BLOCKS: u16 = u16::MAX;
    let served = Served::start().await;
    let mut initiator = served.ready(&SLOW_DATA).await;
    let held = served.device.hold().await;
    let first = initiator.immediate_write(0, &[]);
    let flush = initiator.command(&cdb10(0x35, 0, 0), FINAL, 0);
    let bytes = usize::from(MOST_BLOCKS) * crate::initiator::BLOCK;
    let large: Vec<Pdu> =
        (0..4).map(|_| initiator.command(&cdb10(0x2a, 0, MOST_BLOCKS), WRITE | ORDERED, bytes)).collect();
    let tags: Vec<u32> = large.iter().map(Pdu::tag).collect();
    initiator.send(first).await;
    initiator.expect(SCSI_RESPONSE).await;
    initiator.send(flush).await;
    for write in large {
        initiator.send(write).await;
    }
    ping(&mut initiator).await;
    drop(held);
    initiator.expect(SCSI_RESPONSE).await;
    // Each is asked for its data when the one before it has ended.
    for tag in tags {
        while let answer = initiator.receive().await
            && answer.opcode() == R2T
        {
            assert_eq!(answer.tag(), tag);
            let (offset, length) = (answer.u32_at(40) as usize, answer.u32_at(44) as usize);
            for (number, at) in (0..length).step_by(256 << 10).enumerate() {
                let piece = vec![7; (length - at).min(256 << 10)];
                let mut data = initiator.data_out(tag, answer.u32_at(20), number as u32, offset + at, &piece);
                if at + piece.len() < length {
                    data.header[1] = 0;
                }
                initiator.send(data).await;
            }
        }
    }
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clearing_the_task_set_tells_those_who_lost_commands() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let mut sessions = Vec::new();
    for number in [2, 3] {
        let mut other = Initiator::connect(served.portal()).await;
        other.isid = [0x80, 0, 0, 0, 0, number];
        other.login(&[]).await;
        other.no_data(&[0]).await;
        sessions.push(other);
    }
    let [loser, idle] = &mut sessions[..] else { unreachable!() };
    let held = served.device.hold().await;
    let write = loser.immediate_write(0, &pattern(512, 1));
    loser.send(write).await;
    while served.device.counts.running.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let clear = initiator.manage(CLEAR_TASK_SET, u32::MAX, 0);
    initiator.send(clear).await;
    ping(&mut initiator).await;
    drop(held);
    assert_eq!(initiator.expect(TASK_RESPONSE).await.header[2], 0);
    assert_eq!(loser.no_data(&[0]).await.sense(), (6, 0x2f, 0), "its write is gone without an answer");
    assert_eq!(idle.no_data(&[0]).await.status(), 0);
    assert_eq!(initiator.no_data(&[0]).await.status(), 0);
    drop((initiator, sessions));
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_a_rejected_command_counts() {
    let served = Served::start().await;
    let mut initiator = served.ready(&SLOW_DATA).await;
    let write = initiator.command(&cdb10(0x2a, 0, 1), WRITE, 512);
    let tag = write.tag();
    initiator.send(write).await;
    let burst = initiator.expect(R2T).await;
    let same_tag = initiator.command(&[0], FINAL, 0).with_u32(16, tag);
    initiator.send(same_tag).await;
    assert_eq!(initiator.expect(REJECT).await.header[2], 7);
    assert_eq!(initiator.no_data(&[0]).await.status(), 0, "what comes after it is served");
    // One that came ahead of its turn, too.
    let missing = initiator.command(&[0], FINAL, 0);
    let early = initiator.command(&[0], FINAL, 0).with_u32(16, tag);
    initiator.send(early).await;
    assert_eq!(initiator.expect(REJECT).await.header[2], 7);
    initiator.send(missing).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.status(), 0);
    assert_eq!(initiator.no_data(&[0]).await.status(), 0);
    initiator.send(initiator.data_out(tag, burst.u32_at(20), 0, 0, &pattern(512, 1))).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.status(), 0);
    drop(initiator);
    served.still_serves().await;
}

/// A write of another session is in the device; an ordered write, sent behind it, waits for its turn.
async fn with_a_write_that_waits<'a>(
    served: &'a Served,
    initiator: &mut Initiator,
) -> (tokio::sync::SemaphorePermit<'a>, Initiator, Pdu) {
    let mut other = Initiator::connect(served.portal()).await;
    other.isid = [0x80, 0, 0, 0, 0, 2];
    other.login(&[]).await;
    other.no_data(&[0]).await;
    let held = served.device.hold().await;
    let write = other.immediate_write(0, &pattern(512, 1));
    other.send(write).await;
    while served.device.counts.running.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut waiting = initiator.immediate_write(8, &pattern(512, 2));
    waiting.header[1] |= ORDERED;
    initiator.send(waiting.clone()).await;
    ping(initiator).await;
    (held, other, waiting)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_of_a_command_that_has_not_begun_waits_for_nobody() {
    const ABORT_TASK: u8 = 1;
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let (held, mut other, waiting) = with_a_write_that_waits(&served, &mut initiator).await;
    let abort = initiator.manage(ABORT_TASK, waiting.tag(), waiting.u32_at(24));
    initiator.send(abort).await;
    assert_eq!(initiator.expect(TASK_RESPONSE).await.header[2], 0, "answered while the other write is in the device");
    drop(held);
    assert_eq!(other.expect(SCSI_RESPONSE).await.status(), 0);
    assert_eq!(initiator.no_data(&[0]).await.status(), 0);
    assert!(served.content(8 * 512, 512).iter().all(|&byte| byte == 0));
    drop((initiator, other));
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_a_lost_connection_that_has_not_begun_never_does() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let (held, mut other, _) = with_a_write_that_waits(&served, &mut initiator).await;
    drop(initiator);
    // Its initiator is let in again at once: nothing of the earlier session is left.
    let mut back = served.ready(&[]).await;
    drop(held);
    assert_eq!(other.expect(SCSI_RESPONSE).await.status(), 0);
    let flush = back.no_data(&cdb10(0x35, 0, 0)).await;
    assert_eq!(flush.status(), 0);
    assert!(served.content(8 * 512, 512).iter().all(|&byte| byte == 0));
    drop((back, other));
    served.still_serves().await;
}
