//! Metadata contexts and the status of blocks.

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};

use crate::client::*;

const HOLE: u32 = 3;
const DATA: u32 = 0;

/// Lengths and states of a status chunk's payload.
fn extents(payload: &[u8]) -> Vec<(u32, u32)> {
    assert_eq!(payload[..4], [0, 0, 0, 1], "the number of the context");
    let word = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    payload[4..].chunks(8).map(|extent| (word(&extent[..4]), word(&extent[4..]))).collect()
}

async fn write(served: &Served, offset: u64, length: usize) {
    served.device.write(offset, AlignedBuf::copy_of(&vec![7; length]), Durability::Stable).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_are_listed_and_selected_by_query() {
    let served = Served::start().await;
    let mut client = served.greeted().await;
    client.option(8, &[]).await;
    client.option_reply().await;
    let name = b"base:allocation".to_vec();
    for (code, queries, number) in [
        (9, &[][..], Some(0)),
        (9, &["base:"], Some(0)),
        (9, &["qemu:", "base:allocation"], Some(0)),
        (9, &["qemu:"], None),
        (10, &["qemu:dirty-bitmap:x", "base:allocation"], Some(1)),
        (10, &["base:"], None),
        (10, &[], None),
    ] {
        client.option(code, &context_query("vol-1", queries)).await;
        if let Some(number) = number {
            let expected = [&u32::to_be_bytes(number)[..], &name].concat();
            assert_eq!(client.option_reply().await, (4, expected), "{code} {queries:?}");
        }
        assert_eq!(client.option_reply().await, (1, vec![]), "{code} {queries:?}");
    }
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_data_from_holes() {
    let served = Served::start().await;
    write(&served, 1 << 20, 8192).await;
    let mut client = served.greeted().await;
    client.ask_for_status(8).await;
    client.request(BLOCK_STATUS, 0, 5, 0, SIZE as u32).await;
    let (kind, cookie, payload) = client.chunk().await;
    assert_eq!((kind, cookie), (5, 5));
    assert_eq!(extents(&payload), [(1 << 20, HOLE), (8192, DATA), (SIZE as u32 - (1 << 20) - 8192, HOLE)]);
    client.request(BLOCK_STATUS, 8, 6, (1 << 20) + 4096, 8192).await;
    assert_eq!(extents(&client.chunk().await.2), [(4096, DATA)], "one extent was asked for");
    for (offset, length) in [(0, 0), (SIZE, 1), (SIZE - 1, 2)] {
        client.request(BLOCK_STATUS, 0, 7, offset, length).await;
        let (kind, _, payload) = client.chunk().await;
        assert_eq!((kind, &payload[..4]), (0x8001, &EINVAL.to_be_bytes()[..]), "{length} bytes at {offset}");
    }
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_comes_in_parts() {
    let served = Served::start().await;
    for at in 0..20 {
        write(&served, at * (128 << 10), 4096).await;
    }
    let mut client = served.greeted().await;
    client.ask_for_status(8).await;
    let (mut at, mut data) = (0, 0);
    while at < SIZE {
        client.request(BLOCK_STATUS, 0, at, at, (SIZE - at) as u32).await;
        for (length, state) in extents(&client.chunk().await.2) {
            at += u64::from(length);
            data += if state == DATA { length } else { 0 };
        }
    }
    assert_eq!((at, data), (SIZE, 20 * 4096));
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_needs_the_context_of_the_same_name() {
    let served = Served::start().await;
    let mut client = served.greeted().await;
    client.option(8, &[]).await;
    client.option_reply().await;
    client.option(10, &context_query("", &["base:allocation"])).await;
    assert_eq!((client.option_reply().await.0, client.option_reply().await.0), (4, 1));
    client.option(7, &go("vol-1")).await;
    while client.option_reply().await.0 != 1 {}
    client.request(BLOCK_STATUS, 0, 1, 0, 4096).await;
    assert_eq!(client.chunk().await.0, 0x8001);
    served.still_serves().await;
}
