//! Clients that take their time: they keep a place for a while, and nobody else waits for them.

use std::time::Duration;

use aurochs_server::web::connections::Limits;
use tokio::io::AsyncReadExt;

use super::{PATIENCE, Wire, assert_serves, request};
use crate::harness::Manager;

/// Short enough for a test, long enough for an honest client on a busy machine.
fn short() -> Limits {
    Limits { head: Duration::from_secs(2), stall: Duration::from_secs(2), ..Limits::default() }
}

#[tokio::test]
async fn heads_that_never_end_lose_their_places() {
    let manager = Manager::start().await;
    let address = manager.listen_within(Limits { connections: 20, ..short() }).await;
    let mut slow = Vec::new();
    for number in 0..20 {
        let mut wire = Wire::connect(address).await;
        // Some say nothing at all, some begin.
        if number % 2 == 0 {
            wire.send("GET /v1/volumes HTTP/1.1\r\nHost: manager\r\nX-").await;
        }
        slow.push(wire);
    }
    // All places are taken; this one waits for one of them.
    tokio::time::timeout(PATIENCE, assert_serves(address)).await.unwrap();
    for wire in slow {
        let answer = wire.rest().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

/// Letter by letter is no progress: the head has to be complete in time.
#[tokio::test]
async fn heads_that_come_letter_by_letter_are_closed() {
    let manager = Manager::start().await;
    let address = manager.listen_within(short()).await;
    let mut wire = Wire::connect(address).await;
    let drip = async {
        wire.send("GET /v1/volumes HTTP/1.1\r\nX-Slow: ").await;
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if tokio::io::AsyncWriteExt::write_all(&mut wire.stream, b"x").await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, drip).await.expect("the connection is closed");
    assert_serves(address).await;
}

/// Asks for much and reads nothing: what is kept for it is let go.
#[tokio::test]
async fn answers_that_nobody_takes_are_given_up() {
    let manager = Manager::start().await;
    let address = manager.listen_within(short()).await;
    let mut wire = Wire::connect(address).await;
    let asks = request("GET /v1/openapi.json HTTP/1.1", "").replace("Connection: close\r\n", "");
    wire.send(asks.repeat(200)).await;
    // The client is there all the time: only the manager can end this.
    let mut first = [0; 1];
    let gone = async {
        while !is_closed(&wire) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the connection is closed");
    let _ = wire.stream.read(&mut first).await;
    assert_serves(address).await;
}

/// Whether the other side has closed, without taking anything of what it sent.
fn is_closed(wire: &Wire) -> bool {
    let info = wire.stream.take_error().unwrap();
    let written = wire.stream.try_write(b"G");
    info.is_some() || written.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
}

/// More clients at a time than there are places.
#[tokio::test]
async fn many_clients_take_turns() {
    let manager = Manager::start().await;
    let address = manager.listen_within(Limits { connections: 10, ..short() }).await;
    let clients = (0..300).map(|_| tokio::spawn(assert_serves(address)));
    for client in clients.collect::<Vec<_>>() {
        tokio::time::timeout(PATIENCE, client).await.unwrap().unwrap();
    }
}

/// A connection that is kept and used is not closed in between.
#[tokio::test]
async fn an_honest_connection_is_kept() {
    let manager = Manager::start().await;
    let address = manager.listen_within(short()).await;
    let mut wire = Wire::connect(address).await;
    let asks = request("GET /v1/session HTTP/1.1", "").replace("Connection: close\r\n", "");
    for _ in 0..5 {
        wire.send(&asks).await;
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, wire.stream.read(&mut bytes)).await.unwrap().unwrap();
        assert!(bytes[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes[..read]));
        tokio::time::sleep(short().head / 4).await;
    }
}
