//! Initiators that break the protocol, and what lies beside the disk.

use crate::Served;
use crate::initiator::{FINAL, Initiator, NOP_IN, Pdu, READ, REJECT, SCSI_RESPONSE, cdb10, pattern};

#[tokio::test(flavor = "multi_thread")]
async fn noise_ends_a_connection_and_nothing_else() {
    let served = Served::start().await;
    let noises: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\nHost: somebody-else.example\r\nAccept: */*\r\n\r\n", &[0xff; 4096], &[0; 48], &[0x43; 48]];
    for noise in noises {
        let mut initiator = Initiator::connect(served.portal()).await;
        initiator.send_raw(noise).await;
        // Refused, or waited for more of; either way it may go.
        drop(initiator);
    }
    let half = Initiator::connect(served.portal()).await;
    let mut half_pdu = served.ready(&[]).await;
    half_pdu.send_raw(&[0x01, 0xa0, 0]).await;
    let mut half_segment = Initiator::connect(served.portal()).await;
    half_segment.isid[5] = 3;
    half_segment.login(&[]).await;
    let write = half_segment.immediate_write(0, &pattern(4096, 1));
    let bytes = half_segment.encoded(&write);
    half_segment.send_raw(&bytes[..1000]).await;
    drop(half_segment);
    drop(half_pdu);
    drop(half);
    assert!(served.content(0, 4096).iter().all(|&byte| byte == 0), "half a write writes nothing");
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_lengths_cost_nothing() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    // A segment of 16 MiB that is never sent: the target does not wait for it.
    let mut huge = Pdu::new(0x40, FINAL, 5).with_u32(20, u32::MAX);
    huge.header[5..8].copy_from_slice(&[0xff; 3]);
    initiator.send(huge).await;
    assert_eq!(initiator.expect(REJECT).await.header[2], 4);
    initiator.expect_hang_up().await;
    // Four gigabytes to come, or to go, by what the command says.
    let mut initiator = served.ready(&[]).await;
    let cdb = [0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0];
    let command = initiator.command(&cdb, 0xa0, u32::MAX as usize);
    initiator.send(command).await;
    let answer = initiator.expect(SCSI_RESPONSE).await;
    assert_eq!((answer.status(), answer.sense().0), (2, 5));
    let cdb = [0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0];
    let command = initiator.command(&cdb, READ, u32::MAX as usize);
    initiator.send(command).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.sense().0, 5);
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_rejected_with_its_header() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    for (opcode, reason) in [(0x1c, 5), (0x10, 3)] {
        let strange = Pdu::new(opcode, FINAL, 5).with_data(b"whatever");
        initiator.send(strange.clone()).await;
        let reject = initiator.expect(REJECT).await;
        assert_eq!((reject.header[2], &reject.data[..]), (reason, &strange.header[..]));
    }
    // The same tag twice.
    let held = served.device.hold().await;
    let first = initiator.immediate_write(0, &pattern(512, 1));
    let second = initiator.command(&[0], FINAL, 0).with_u32(16, first.tag());
    initiator.send(first).await;
    initiator.send(second).await;
    assert_eq!(initiator.expect(REJECT).await.header[2], 7);
    drop(held);
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.status(), 0);
    // Data for nothing are read past.
    initiator.send(initiator.data_out(4711, 1, 0, 0, &pattern(512, 1))).await;
    // Data both ways, and a CDB that goes on in an additional segment.
    let both = initiator.command(&cdb10(0x28, 0, 1), 0xe0, 512);
    initiator.send(both).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.sense(), (5, 0x20, 0));
    let mut long = initiator.command(&[0x7f], FINAL, 0);
    long.header[4] = 2;
    initiator.send(long).await;
    initiator.send_raw(&[0, 5, 1, 0, 1, 2, 3, 4]).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.sense(), (5, 0x20, 0));
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_the_disk_there_is_nothing_but_the_list() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let list = initiator.command(&[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64], READ, 64).with_bytes(8, &[0, 0]);
    initiator.send(list).await;
    let answer = initiator.receive().await;
    assert_eq!(answer.data, [0, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let inquiry = initiator.command(&[0x12, 0, 0, 0, 36], READ, 36).with_bytes(8, &[0, 0]);
    initiator.send(inquiry).await;
    assert_eq!(initiator.receive().await.data[0], 0x7f);
    let read = initiator.command(&cdb10(0x28, 0, 1), READ, 512).with_bytes(8, &[0, 2]);
    initiator.send(read).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.sense(), (5, 0x25, 0));
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_echoed() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let ping =
        Pdu::new(0x00, FINAL, 8).with_u32(20, u32::MAX).with_u32(24, initiator.cmd_sn).with_data(b"anybody there?");
    initiator.cmd_sn += 1;
    initiator.send(ping).await;
    let echo = initiator.expect(NOP_IN).await;
    assert_eq!((echo.tag(), echo.data.as_slice()), (8, b"anybody there?".as_slice()));
    assert_eq!(initiator.no_data(&[0]).await.status(), 0);
    drop(initiator);
    served.still_serves().await;
}
