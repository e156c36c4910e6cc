//! Data in every way that they may travel.

use crate::Served;
use crate::initiator::{BLOCK, DATA_IN, FINAL, NO_TAG, R2T, REJECT, SCSI_RESPONSE, WRITE, cdb10, pattern};

const OVERFLOW: u8 = 0x04;
const UNDERFLOW: u8 = 0x02;
/// Without the final mark: data follow unasked.
const WRITE_MORE_FOLLOWS: u8 = 0x20;

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_asked_for_its_data() {
    let served = Served::start().await;
    let keys =
        [("InitialR2T", "Yes"), ("ImmediateData", "No"), ("MaxBurstLength", "65536"), ("MaxOutstandingR2T", "2")];
    let mut initiator = served.ready(&keys).await;
    let data = pattern(1 << 20, 1);
    let command = initiator.command(&cdb10(0x2a, 8, 2048), WRITE, data.len());
    let tag = command.tag();
    initiator.send(command).await;
    let mut open = vec![initiator.expect(R2T).await, initiator.expect(R2T).await];
    let mut bursts = 0;
    while !open.is_empty() {
        let burst = open.remove(0);
        assert_eq!((burst.u32_at(36), burst.u32_at(44)), (bursts, 65536));
        bursts += 1;
        let offset = burst.u32_at(40) as usize;
        for (number, piece) in data[offset..offset + 65536].chunks(30_000).enumerate() {
            let at = offset + number * 30_000;
            let mut pdu = initiator.data_out(tag, burst.u32_at(20), number as u32, at, piece);
            if at + piece.len() < offset + 65536 {
                pdu.header[1] = 0;
            }
            initiator.send(pdu).await;
        }
        if bursts + (open.len() as u32) < 16 {
            open.push(initiator.expect(R2T).await);
        }
    }
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.status(), 0);
    assert_eq!(bursts, 16);
    assert!(served.content(8 * BLOCK, data.len()) == data);
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn immediate_unsolicited_and_solicited_data_make_one_write() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[("InitialR2T", "No"), ("FirstBurstLength", "8192")]).await;
    let data = pattern(16384, 2);
    let command = initiator.command(&cdb10(0x2a, 0, 32), WRITE_MORE_FOLLOWS, data.len()).with_data(&data[..4096]);
    let tag = command.tag();
    initiator.send(command).await;
    initiator.send(initiator.data_out(tag, NO_TAG, 0, 4096, &data[4096..8192])).await;
    let burst = initiator.expect(R2T).await;
    assert_eq!((burst.u32_at(40), burst.u32_at(44)), (8192, 8192));
    initiator.send(initiator.data_out(tag, burst.u32_at(20), 0, 8192, &data[8192..])).await;
    let response = initiator.expect(SCSI_RESPONSE).await;
    assert_eq!((response.status(), response.u32_at(36)), (0, 1), "one R2T was sent");
    assert!(served.content(0, data.len()) == data);
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_data_write_nothing() {
    let served = Served::start().await;
    let mut initiator =
        served.ready(&[("InitialR2T", "No"), ("FirstBurstLength", "8192"), ("ImmediateData", "No")]).await;
    let data = pattern(1024, 3);
    // A number out of order, an offset that leaves a gap, more than the first burst.
    let wrong = [(5, 0, 1024), (0, 512, 512), (0, 0, 8704)];
    let senses = [(0xb, 0x47, 5), (0xb, 0x47, 5), (0xb, 0x0c, 0x0c)];
    for ((number, offset, length), sense) in wrong.into_iter().zip(senses) {
        let command = initiator.command(&cdb10(0x2a, 0, 32), WRITE_MORE_FOLLOWS, 16384);
        let tag = command.tag();
        initiator.send(command).await;
        initiator.send(initiator.data_out(tag, NO_TAG, number, offset, &data.repeat(9)[..length])).await;
        let response = initiator.expect(SCSI_RESPONSE).await;
        assert_eq!((response.status(), response.sense()), (2, sense));
    }
    // Immediate data were not agreed on.
    let command = initiator.immediate_write(0, &data);
    initiator.send(command).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.sense(), (0xb, 0x0c, 0x0c));
    assert!(served.content(0, 16384).iter().all(|&byte| byte == 0));
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn residuals_say_what_was_not_transferred() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    let (data, last) = initiator.read(0, 1, 4096).await;
    assert_eq!((data.len(), last.header[1] & 6, last.u32_at(44)), (512, UNDERFLOW, 3584));
    let (data, last) = initiator.read(0, 8, 512).await;
    assert_eq!((data.len(), last.header[1] & 6, last.u32_at(44)), (512, OVERFLOW, 3584));
    let (data, last) = initiator.read(0, 8, 0).await;
    assert_eq!((data.len(), last.header[1] & 6, last.u32_at(44)), (0, OVERFLOW, 4096));
    let more = pattern(1024, 4);
    let command = initiator.command(&cdb10(0x2a, 0, 1), WRITE, 1024).with_data(&more);
    initiator.send(command).await;
    let response = initiator.expect(SCSI_RESPONSE).await;
    assert_eq!((response.status(), response.header[1] & 6, response.u32_at(44)), (0, UNDERFLOW, 512));
    assert_eq!(served.content(0, 1024), [&more[..512], &[0; 512]].concat(), "one block was written");
    let refused = initiator.no_data(&[0xff]).await;
    assert_eq!((refused.sense(), refused.header[1] & 6), ((5, 0x20, 0), 0));
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_keep_to_the_segments_and_bursts_of_the_initiator() {
    let served = Served::start().await;
    let keys = [("MaxRecvDataSegmentLength", "4096"), ("MaxBurstLength", "10240")];
    let mut initiator = served.ready(&keys).await;
    let command = initiator.command(&cdb10(0x28, 0, 64), 0xc0, 32768);
    initiator.send(command).await;
    let mut pieces = Vec::new();
    loop {
        let pdu = initiator.expect(DATA_IN).await;
        assert_eq!(pdu.u32_at(36) as usize, pieces.len(), "DataSN");
        pieces.push((pdu.data.len(), pdu.header[1] & FINAL != 0));
        if pdu.header[1] & 1 != 0 {
            break;
        }
    }
    let burst = [(4096, false), (4096, false), (2048, true)];
    assert_eq!(pieces, [&burst[..], &burst, &burst, &[(2048, true)]].concat());
    drop(initiator);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_reads_at_once_are_all_answered() {
    let served = Served::start().await;
    let mut initiator = served.ready(&[]).await;
    for depth in [1, 31, 32, 33, 64, 128] {
        let held = served.device.hold().await;
        let reads: Vec<_> = (0..depth).map(|n| initiator.command(&cdb10(0x28, n * 8, 8), 0xc0, 4096)).collect();
        let mut tags: Vec<_> = reads.iter().map(crate::initiator::Pdu::tag).collect();
        for read in reads {
            initiator.send(read).await;
        }
        drop(held);
        for _ in 0..depth {
            let answer = initiator.expect(DATA_IN).await;
            assert_eq!(answer.data.len(), 4096);
            tags.retain(|&tag| tag != answer.tag());
        }
        assert!(tags.is_empty(), "{tags:?}");
    }
    drop(initiator);
    served.still_serves().await;
}

const DIGESTS: [(&str, &str); 2] = [("HeaderDigest", "CRC32C"), ("DataDigest", "CRC32C")];

#[tokio::test(flavor = "multi_thread")]
async fn digests_guard_both_ways() {
    let served = Served::start().await;
    let mut initiator = served.ready(&DIGESTS).await;
    let data = pattern(8192, 5);
    let command = initiator.immediate_write(0, &data);
    initiator.send(command).await;
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.status(), 0);
    assert!(initiator.read(0, 16, 8192).await.0 == data);
    // One bit of the data: rejected, and the command fails without an effect.
    let command = initiator.immediate_write(0, &pattern(8192, 6));
    let mut bytes = initiator.encoded(&command);
    bytes[100] ^= 1;
    initiator.send_raw(&bytes).await;
    let reject = initiator.expect(REJECT).await;
    assert_eq!((reject.header[2], &reject.data[..]), (2, &command.header[..]));
    assert_eq!(initiator.expect(SCSI_RESPONSE).await.sense(), (0xb, 0x47, 5));
    assert!(served.content(0, 8192) == data);
    // One bit of a header: nothing behind it can be trusted.
    let command = initiator.immediate_write(0, &data);
    let mut bytes = initiator.encoded(&command);
    bytes[33] ^= 1;
    initiator.send_raw(&bytes).await;
    initiator.expect_hang_up().await;
    served.still_serves().await;
}
