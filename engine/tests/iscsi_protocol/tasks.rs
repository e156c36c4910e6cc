//! The order of commands, and taking them back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::Served;
use crate::initiator::{FINAL, NOP_IN, ORDERED, R2T, SCSI_RESPONSE, TASK_RESPONSE, WRITE, cdb10, pattern};

const ABORT_TASK: u8 = 1;
const ABORT_TASK_SET: u8 = 2;
const LUN_RESET: u8 = 5;
const REASSIGN: u8 = 8;
/// Answers of task management.
const COMPLETE: u8 = 0;
const NO_SUCH_TASK: u8 = 1;
const NO_SUCH_LUN: u8 = 2;

/// Waits until so many requests are in the device.
async fn in_the_device(served: &Served, count: u64) {
    while served.device.counts.running.load(Ordering::SeqCst) != count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_begin_in_the_order_of_their_numbers() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let (first, second) = (initiator.command(&[0], FINAL, 0), initiator.command(&[0], FINAL, 0));
    let tags = [first.tag(), second.tag()];
    initiator.send(second).await;
    initiator.send(first).await;
    let answers = [initiator.expect(SCSI_RESPONSE).await.tag(), initiator.expect(SCSI_RESPONSE).await.tag()];
    assert_eq!(answers, tags);
    // Numbers outside of the window are ignored, old ones and those beyond it.
    let mut seen = initiator.command(&[0], FINAL, 0);
    initiator.cmd_sn -= 1;
    seen = seen.with_u32(24, initiator.cmd_sn - 1);
    initiator.send(seen).await;
    let beyond = initiator.command(&[0], FINAL, 0).with_u32(24, initiator.cmd_sn + 200);
    initiator.cmd_sn -= 1;
    initiator.send(beyond).await;
    let good = initiator.command(&[0], FINAL, 0);
    let tag = good.tag();
    initiator.send(good).await;
    let answer = initiator.expect(SCSI_RESPONSE).await;
    assert_eq!(answer.tag(), tag);
    assert_eq!(answer.u32_at(28), initiator.cmd_sn, "ExpCmdSN");
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_command_waits_and_is_waited_for() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let held = served.device.hold().await;
    let write = initiator.immediate_write(0, &pattern(512, 1));
    let ordered = initiator.command(&[0], FINAL | ORDERED, 0);
    let after = initiator.command(&[0], FINAL, 0);
    let tags = [write.tag(), ordered.tag(), after.tag()];
    for command in [write, ordered, after] {
        initiator.send(command).await;
    }
    in_the_device(&served, 1).await;
    drop(held);
    for tag in tags {
        assert_eq!(initiator.expect(SCSI_RESPONSE).await.tag(), tag);
    }
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_is_answered_when_nothing_can_happen_any_more() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let held = served.device.hold().await;
    let write = initiator.immediate_write(0, &pattern(512, 1));
    let (tag, number) = (write.tag(), initiator.cmd_sn - 1);
    initiator.send(write).await;
    in_the_device(&served, 1).await;
    let abort = initiator.manage(ABORT_TASK, tag, number);
    initiator.send(abort).await;
    // The target takes other requests, but does not say that the write is gone while it is in the device.
    let ping = crate::initiator::Pdu::new(0x40, FINAL, 4242).with_u32(20, u32::MAX).with_u32(24, initiator.cmd_sn);
    initiator.send(ping).await;
    assert_eq!(initiator.expect(NOP_IN).await.tag(), 4242);
    drop(held);
    let answer = initiator.expect(TASK_RESPONSE).await;
    assert_eq!(answer.header[2], COMPLETE);
    // The write itself gets no answer: the next one is that of the next command.
    assert_eq!(initiator.no_data(&[0]).await.status(), 0);
    let again = initiator.manage(ABORT_TASK, tag, number);
    initiator.send(again).await;
    assert_eq!(initiator.expect(TASK_RESPONSE).await.header[2], NO_SUCH_TASK);
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_for_data_is_aborted_without_a_trace() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[("ImmediateData", "No")]).await;
    let write = initiator.command(&cdb10(0x2a, 0, 1), WRITE, 512);
    let tag = write.tag();
    initiator.send(write).await;
    let burst = initiator.expect(R2T).await;
    let abort = initiator.manage(ABORT_TASK_SET, u32::MAX, 0);
    initiator.send(abort).await;
    assert_eq!(initiator.expect(TASK_RESPONSE).await.header[2], COMPLETE);
    initiator.send(initiator.data_out(tag, burst.u32_at(20), 0, 0, &pattern(512, 1))).await;
    assert_eq!(initiator.no_data(&[0]).await.status(), 0);
    assert!(served.content(0, 512).iter().all(|&byte| byte == 0));
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_reaches_every_session() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let mut other = crate::Initiator::connect(served.portal()).await;
    other.isid = [0x80, 0, 0, 0, 0, 2];
    other.login(&[]).await;
    other.no_data(&[0]).await;
    let held = served.device.hold().await;
    let write = other.immediate_write(0, &pattern(512, 1));
    other.send(write).await;
    in_the_device(&served, 1).await;
    let reset = initiator.manage(LUN_RESET, u32::MAX, 0);
    initiator.send(reset).await;
    let nowhere = initiator.manage(LUN_RESET, u32::MAX, 0).with_bytes(8, &[0, 7]);
    initiator.send(nowhere).await;
    assert_eq!(initiator.expect(TASK_RESPONSE).await.header[2], NO_SUCH_LUN);
    drop(held);
    assert_eq!(initiator.expect(TASK_RESPONSE).await.header[2], COMPLETE);
    assert_eq!(initiator.no_data(&[0]).await.sense(), (6, 0x29, 3));
    assert_eq!(other.no_data(&[0]).await.sense(), (6, 0x29, 3), "and its write is gone without an answer");
    let reassign = initiator.manage(REASSIGN, 1, 0);
    initiator.send(reassign).await;
    assert_eq!(initiator.expect(TASK_RESPONSE).await.header[2], 4);
    drop((initiator, other));
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_commands_with_one_number_the_second_leaves_nothing_behind() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let missing = initiator.command(&[0], FINAL, 0);
    let early = initiator.immediate_write(0, &pattern(4096, 1));
    let number = early.u32_at(24);
    let copy = initiator.immediate_write(0, &pattern(4096, 2)).with_u32(24, number);
    initiator.cmd_sn -= 1;
    let tags = [missing.tag(), early.tag()];
    let spare = copy.tag();
    for command in [early, copy, missing] {
        initiator.send(command).await;
    }
    for _ in tags {
        let answer = initiator.expect(SCSI_RESPONSE).await;
        assert!(tags.contains(&answer.tag()) && answer.status() == 0, "{answer:?}");
    }
    assert!(served.content(0, 4096) == pattern(4096, 1));
    // The tag of the copy is free, so nothing of it is kept.
    let next = initiator.command(&[0], FINAL, 0).with_u32(16, spare);
    initiator.send(next).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.tag(), spare);
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_aborted_before_its_turn_leaves_nothing_behind() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let missing = initiator.command(&[0], FINAL, 0);
    let early = initiator.immediate_write(0, &pattern(4096, 1));
    let (tag, number) = (early.tag(), early.u32_at(24));
    initiator.send(early).await;
    let abort = initiator.manage(ABORT_TASK, tag, number);
    initiator.send(abort).await;
    assert_eq!(initiator.expect(TASK_RESPONSE).await.header[2], COMPLETE);
    let first = missing.tag();
    initiator.send(missing).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.tag(), first);
    let next = initiator.command(&[0], FINAL, 0).with_u32(16, tag);
    initiator.send(next).await;
    let answer = initiator.expect(SCSI_RESPONSE).await;
    assert_eq!((answer.tag(), answer.status()), (tag, 0));
    assert!(served.content(0, 4096).iter().all(|&byte| byte == 0));
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aborted_writes_give_their_memory_back() {
    const MOST_BLOCKS: u16 = u16::MAX;
    let served = Served::start().await;
    let mut initiator = served.ready(&[("ImmediateData", "No")]).await;
    // These two take all the memory of a connection, and a third waits for some.
    let bytes = usize::from(MOST_BLOCKS) * crate::initiator::BLOCK;
    let mut tags = Vec::new();
    for _ in 0..3 {
        let write = initiator.command(&cdb10(0x2a, 0, MOST_BLOCKS), WRITE, bytes);
        tags.push((write.tag(), initiator.cmd_sn - 1));
        initiator.send(write).await;
    }
    for (tag, number) in tags {
        let abort = initiator.manage(ABORT_TASK, tag, number);
        initiator.send(abort).await;
        while let answer = initiator.receive().await
            && answer.opcode() != TASK_RESPONSE
        {
            assert_eq!(answer.opcode(), R2T);
        }
    }
    assert!(initiator.read(0, 1, 512).await.0 == [0; 512]);
    drop(initiator);
    served.still_serves().await;
}
