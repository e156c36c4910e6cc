//! Requests and their replies in the plain forms.

use std::sync::atomic::Ordering;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use tokio::io::AsyncWriteExt;

use crate::client::*;

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_their_error_and_the_stream_stays_in_step() {
    let served = Served::start().await;
    let mut client = served.transmitting().await;
    for (cookie, (command, flags, offset, length, expected)) in [
        (READ, 0, SIZE, 1, EINVAL),
        (READ, 0, u64::MAX, u32::MAX, EINVAL),
        (READ, 4, 0, 512, EINVAL),
        (READ, 0, 0, (64 << 20) + 1, EINVAL),
        (WRITE, 0, SIZE - 1, 2, ENOSPC),
        (WRITE, 0x8000, 0, 512, EINVAL),
        (WRITE, 0, 0, 40 << 20, ENOSPC),
        (WRITE, 0, 0, (64 << 20) + 1, EINVAL),
        (TRIM, 0, SIZE, 4096, EINVAL),
        (ZEROES, 0, SIZE - 512, 1024, ENOSPC),
        (ZEROES, 16, 0, 4096, 0),
        (FLUSH, 0, 5, 0, EINVAL),
        (BLOCK_STATUS, 0, 0, 512, EINVAL),
        (CACHE, 0, SIZE, 512, EINVAL),
        (CACHE, 0, 0, 512, 0),
        (WRITE, 32, 0, 512, EINVAL),
        (999, 0, 0, 0, EINVAL),
        (WRITE, 0, 0, 0, 0),
        (READ, 0, 0, 0, 0),
        (TRIM, 1, 0, 8192, 0),
    ]
    .into_iter()
    .enumerate()
    {
        client.request(command, flags, cookie as u64, offset, length).await;
        if command == WRITE {
            client.0.write_all(&vec![0xee; length as usize]).await.unwrap();
        }
        assert_eq!(client.simple_reply().await, (expected, cookie as u64), "command {command} flags {flags:#x}");
    }
    served.device.write(8192, AlignedBuf::copy_of(&[0; 4096]), Durability::Stable).await.unwrap();
    client.request(ZEROES, 16, 70, 4096, 8192).await;
    assert_eq!(client.simple_reply().await, (ENOTSUP, 70), "zeroing what holds data may take long");
    client.request(ZEROES, 0, 71, 4096, 8192).await;
    assert_eq!(client.simple_reply().await, (0, 71));
    assert_eq!(served.device.counts.flushes.load(Ordering::SeqCst), 1, "a trim with FUA is flushed");
    let data = served.device.read(0, 1 << 20).await.unwrap();
    assert!(data.iter().all(|&byte| byte == 0), "a refused write writes nothing");
    client.0.write_all(&[0; 28]).await.unwrap();
    assert!(client.hung_up().await.is_empty(), "a request without magic ends the connection");
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn structured_errors_say_why() {
    let served = Served::start().await;
    let mut client = served.greeted().await;
    client.option(8, &[]).await;
    assert_eq!(client.option_reply().await.0, 1);
    client.option(7, &go("")).await;
    while client.option_reply().await.0 != 1 {}
    client.request(READ, 0, 77, SIZE, 512).await;
    let head = client.bytes(20).await;
    assert_eq!(head[..16], [0x66, 0x8e, 0x33, 0xef, 0, 1, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 77]);
    let length = u32::from_be_bytes(head[16..].try_into().unwrap());
    let payload = client.bytes(length as usize).await;
    assert_eq!(payload[..4], 22u32.to_be_bytes());
    let text = String::from_utf8_lossy(&payload[6..]);
    assert!(text.contains("past the end of the volume"), "{text}");
    drop(client);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_come_as_work_finishes_and_disconnect_waits_for_them() {
    let served = Served::start().await;
    let mut client = served.transmitting().await;
    let held = served.device.hold().await;
    for cookie in 0..40 {
        client.request(WRITE, 0, cookie, cookie * 4096, 4096).await;
        client.0.write_all(&[cookie as u8 + 1; 4096]).await.unwrap();
    }
    client.request(DISC, 0, 99, 0, 0).await;
    while served.device.counts.running.load(Ordering::SeqCst) < 40 {
        tokio::task::yield_now().await;
    }
    drop(held);
    let replies = client.hung_up().await;
    assert_eq!(replies.len(), 40 * 16, "every write is answered before the connection closes");
    for cookie in 0..40u64 {
        let data = served.device.read(cookie * 4096, 4096).await.unwrap();
        assert!(data.iter().all(|&byte| byte == cookie as u8 + 1));
    }
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_has_a_bounded_number_of_requests_in_flight() {
    let served = Served::start().await;
    let mut client = served.transmitting().await;
    let held = served.device.hold().await;
    // Few enough that the socket takes what the server does not read.
    for cookie in 0..250 {
        client.request(READ, 0, cookie, 0, 4096).await;
    }
    while served.device.counts.running.load(Ordering::SeqCst) < 128 {
        tokio::task::yield_now().await;
    }
    drop(held);
    for _ in 0..250 {
        assert_eq!(client.simple_reply().await.0, 0);
        client.bytes(4096).await;
    }
    assert_eq!(served.device.counts.most_running.load(Ordering::SeqCst), 128);
    drop(client);
    served.still_serves().await;
}
