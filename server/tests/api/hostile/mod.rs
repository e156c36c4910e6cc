//! What nobody should send, byte by byte over real connections: whatever comes, the answer is a client's error or the end
//! of the connection, it comes, and the next client is served.

mod requests;
mod slow;
mod sockets;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PASSWORD, USER, basic};

/// Far more than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that sends what it is told.
struct Wire {
    stream: TcpStream,
}

impl Wire {
    async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap() }
    }

    /// What can't be sent any more is lost: the other side may have closed.
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Everything until the other side closes.
    async fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut bytes)).await;
        // A reset after an early answer is an end, too.
        let _ = read.unwrap_or_else(|_| panic!("still open after {:?}", String::from_utf8_lossy(&bytes)));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A request that ends its connection, with a login; `head` is its line and further headers.
fn request(head: &str, body: &str) -> String {
    let login = basic(USER, PASSWORD);
    format!("{head}\r\nHost: manager\r\nAuthorization: {login}\r\nConnection: close\r\n\r\n{body}")
}

/// The status of the answer to these bytes; none when the connection was closed without one.
async fn status(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Option<u16> {
    let mut wire = Wire::connect(address).await;
    wire.send(bytes).await;
    let answer = wire.rest().await;
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).map(|status| status.parse().unwrap());
    assert!(status.is_some() || answer.is_empty(), "{answer}");
    status
}

async fn assert_serves(address: SocketAddr) {
    assert_eq!(status(address, request("GET /v1/volumes HTTP/1.1", "")).await, Some(200));
}
