//! What many initiators together may make the target hold.

use crate::Served;
use crate::initiator::{DATA_IN, Initiator, NOP_IN, Pdu, R2T, SCSI_RESPONSE, WRITE, cdb10, pattern};

/// 32 MiB less a block, the largest that a ten-byte CDB can say.
const MOST_BLOCKS: u16 = u16::MAX;

/// A session that is asked for the data of two of the largest writes, and sends none.
async fn stuck(served: &Served, number: u8, bursts_expected: bool) -> Initiator {
    let mut initiator = Initiator::connect(served.portal()).await;
    initiator.isid = [0x80, 0, 0, 0, 1, number];
    initiator.login(&[("ImmediateData", "No"), ("MaxOutstandingR2T", "1")]).await;
    initiator.no_data(&[0]).await;
    for _ in 0..2 {
        let bytes = usize::from(MOST_BLOCKS) * crate::initiator::BLOCK;
        let write = initiator.command(&cdb10(0x2a, 0, MOST_BLOCKS), WRITE, bytes);
        initiator.send(write).await;
        if bursts_expected {
            initiator.expect(R2T).await;
        }
    }
    initiator
}

#[tokio::test(flavor = "multi_thread")]
async fn initiators_that_are_stuck_leave_room_for_small_requests_of_others() {
    let served = Served::start().await;
    // Four connections take all that the server has for large requests.
    let mut stuck_ones = Vec::new();
    for number in 0..4 {
        stuck_ones.push(stuck(&served, number, true).await);
    }
    let mut late = stuck(&served, 4, false).await;
    // Small ones, immediate, asked for and read, are served; a large one waits with the others.
    let write = late.command(&cdb10(0x2a, 0, 128), WRITE, 64 << 10);
    let data = pattern(64 << 10, 3);
    late.send(write).await;
    let burst = late.expect(R2T).await;
    assert_eq!(burst.u32_at(44), 64 << 10, "not one of the large ones");
    late.send(late.data_out(burst.tag(), burst.u32_at(20), 0, 0, &data)).await;
    assert_eq!(late.expect(SCSI_RESPONSE).await.status(), 0);
    assert!(late.read(0, 128, 64 << 10).await.0 == data);
    let ping = Pdu::new(0x40, 0x80, 4242).with_u32(20, u32::MAX).with_u32(24, late.cmd_sn);
    late.send(ping).await;
    assert_eq!(late.expect(NOP_IN).await.tag(), 4242);
    // When one of the stuck ones leaves, those who wait get its part.
    stuck_ones.pop();
    late.expect(R2T).await;
    drop((stuck_ones, late));
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_nobody_fetches_leave_room_for_others() {
    let served = Served::start().await;
    let mut readers = Vec::new();
    for number in 0..5 {
        let mut initiator = Initiator::connect(served.portal()).await;
        initiator.isid = [0x80, 0, 0, 0, 2, number];
        initiator.login(&[]).await;
        initiator.no_data(&[0]).await;
        for _ in 0..4 {
            let read = initiator.command(&cdb10(0x28, 0, MOST_BLOCKS), 0xc0, usize::from(MOST_BLOCKS) * 512);
            initiator.send(read).await;
        }
        // The first of its data: the target has begun.
        if number < 4 {
            initiator.expect(DATA_IN).await;
        }
        readers.push(initiator);
    }
    let mut other = served.ready(&[]).await;
    assert_eq!(other.read(0, 8, 4096).await.1.status(), 0);
    drop((readers, other));
    served.still_serves().await;
}
