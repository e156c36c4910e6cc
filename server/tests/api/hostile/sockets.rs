//! WebSockets whose clients do what they should not.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;

use super::{PATIENCE, Wire, assert_serves, request};
use crate::harness::Manager;

async fn open(address: SocketAddr, path: &str) -> Wire {
    let mut wire = Wire::connect(address).await;
    let head = format!(
        "GET {path} HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    );
    wire.send(request(&head, "").replace("Connection: close", "Connection: Upgrade")).await;
    let mut answer = [0; 12];
    tokio::time::timeout(PATIENCE, wire.stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    wire
}

/// A frame as RFC 6455, 5.2, has it: first byte, length, and what follows as it is.
fn frame(first: u8, length: u64, masked: bool, rest: &[u8]) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(mask | u8::try_from(length).unwrap()),
        126..=0xffff => {
            bytes.push(mask | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    if masked {
        bytes.extend([0; 4]);
    }
    bytes.extend(rest);
    bytes
}

#[tokio::test]
async fn frames_that_break_the_rules_end_the_connection() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    let cases = [
        ("larger than anything", frame(0x82, u64::MAX >> 1, true, b"x")),
        ("a gibibyte", frame(0x81, 1 << 30, true, &[b'x'; 70_000])),
        ("not masked", frame(0x81, 5, false, b"hello")),
        ("no text", frame(0x81, 2, true, b"\xff\xfe")),
        ("reserved", frame(0xf3, 0, true, b"")),
        ("a ping of a kilobyte", frame(0x89, 1000, true, &[0; 1000])),
        ("a piece of nothing", frame(0x80, 3, true, b"abc")),
        (
            "pieces without an end",
            frame(0x01, 3000, true, &[b'x'; 3000])
                .repeat(1)
                .into_iter()
                .chain(frame(0x00, 3000, true, &[b'x'; 3000]).repeat(100))
                .collect(),
        ),
    ];
    for path in ["/v1/ws/live", "/v1/ws/1s/volumes"] {
        for (what, bytes) in &cases {
            let mut wire = open(address, path).await;
            wire.send(bytes).await;
            // The manager closes; `rest` fails if it does not.
            let _ = tokio::time::timeout(PATIENCE, wire.rest()).await.unwrap_or_else(|_| panic!("{path}: {what}"));
        }
    }
    assert_serves(address).await;
}

/// Thousands of messages and pings, from a client that reads nothing: neither it nor anybody else makes the manager wait.
#[tokio::test]
async fn a_flood_of_frames_is_dropped() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    let mut wire = open(address, "/v1/ws/live").await;
    let flood = [frame(0x81, 5, true, b"hello"), frame(0x89, 100, true, &[0; 100])].concat().repeat(50_000);
    let flooding = tokio::spawn(async move {
        wire.send(flood).await;
        wire
    });
    for _ in 0..5 {
        assert_serves(address).await;
    }
    flooding.abort();
}
