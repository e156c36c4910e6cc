//! A server that grows, stops, and has many clients.

use std::sync::atomic::Ordering;

use aurochs_engine::frontend::{BlockDevice, Frontend};
use tokio::io::AsyncWriteExt;

use crate::client::*;
use crate::file_device;

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_grows_is_larger_for_new_clients_and_writable_for_old_ones() {
    let served = Served::start().await;
    let mut old = served.transmitting().await;
    old.request(WRITE, 0, 1, SIZE, 512).await;
    old.0.write_all(&[7; 512]).await.unwrap();
    assert_eq!(old.simple_reply().await, (28, 1), "past the end: ENOSPC");
    served.device.grow(2 * SIZE);
    old.request(WRITE, 0, 2, SIZE, 512).await;
    old.0.write_all(&[7; 512]).await.unwrap();
    assert_eq!(old.simple_reply().await, (0, 2));
    let uri = served.server.uri();
    assert_eq!(file_device::run("nbdinfo", &["--size", &uri]).await.trim(), (2 * SIZE).to_string());
    served.server.resizer().resize().await.unwrap();
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_finishes_what_is_in_flight_and_refuses_the_rest() {
    let served = Served::start().await;
    let mut client = served.transmitting().await;
    let mut haggling = served.greeted().await;
    let held = served.device.hold().await;
    client.request(WRITE, 0, 1, 0, 4096).await;
    client.0.write_all(&[7; 4096]).await.unwrap();
    while served.device.counts.running.load(Ordering::SeqCst) < 1 {
        tokio::task::yield_now().await;
    }
    let path = served.directory.path().join("nbd.sock");
    let stopping = tokio::spawn(served.server.stop(false));
    assert!(haggling.hung_up().await.is_empty());
    while path.exists() {
        tokio::task::yield_now().await;
    }
    client.request(WRITE, 0, 2, 4096, 512).await;
    client.0.write_all(&[9; 512]).await.unwrap();
    assert_eq!(client.simple_reply().await, (108, 2), "new requests learn of the shutdown");
    drop(held);
    assert_eq!(client.simple_reply().await, (0, 1), "what was in flight is finished");
    assert!(client.hung_up().await.is_empty());
    stopping.await.unwrap().unwrap();
    assert!(served.device.read(0, 4096).await.unwrap().iter().all(|&byte| byte == 7));
    assert!(served.device.read(4096, 512).await.unwrap().iter().all(|&byte| byte == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_stop_waits_for_nobody() {
    let served = Served::start().await;
    let mut client = served.transmitting().await;
    let held = served.device.hold().await;
    client.request(WRITE, 0, 1, 0, 512).await;
    client.0.write_all(&[7; 512]).await.unwrap();
    while served.device.counts.running.load(Ordering::SeqCst) < 1 {
        tokio::task::yield_now().await;
    }
    served.server.stop(true).await.unwrap();
    assert!(client.hung_up().await.is_empty(), "a write that was not finished is not acknowledged");
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_turned_away_and_a_place_is_free_again_afterwards() {
    let served = Served::start().await;
    let mut crowd = Vec::new();
    for _ in 0..32 {
        crowd.push(served.transmitting().await);
    }
    let mut one_more = served.connect().await;
    assert!(one_more.hung_up().await.is_empty());
    for client in &mut crowd {
        client.request(DISC, 0, 0, 0, 0).await;
        assert!(client.hung_up().await.is_empty());
    }
    drop(crowd);
    served.still_serves().await;
}
