//! The first words on a stream.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::address::{Address, Stream};
use super::control::{ControlReply, ControlRequest, Hello, Welcome};
use super::frame::{self, Header, Kind};
use super::nearby;
use super::request::{LinkError, encode_json, remote_error};

/// How long a connection may take before the replica counts as not reachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a HELLO may take: the replica waits for the disk to finish what an older engine asked, and reads the maps
/// of all its layers. Longer than a connection, because a member that misses it has to be rebuilt.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);

/// Connects one stream and says HELLO on it.
pub(super) async fn open_stream(
    replica: &str,
    address: &Address,
    hello: &Hello,
) -> Result<(Stream, Welcome), LinkError> {
    let address = nearby::way(replica, address);
    let lost = |cause: String| LinkError::Lost { replica: replica.to_owned(), cause };
    let too_late = |what: &str, limit: Duration| lost(format!("{address} did not {what} within {} s", limit.as_secs()));
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, address.connect()).await;
    let mut stream = connected
        .map_err(|_| too_late("accept a connection", CONNECT_TIMEOUT))?
        .map_err(|error| lost(format!("cannot connect to {address}: {error}")))?;
    let answer = tokio::time::timeout(HELLO_TIMEOUT, say_hello(replica, &mut stream, hello)).await;
    let welcome = answer.map_err(|_| too_late("answer HELLO", HELLO_TIMEOUT))??;
    Ok((stream, welcome))
}

async fn say_hello(name: &str, stream: &mut Stream, hello: &Hello) -> Result<Welcome, LinkError> {
    let lost = |cause: String| LinkError::Lost { replica: name.to_owned(), cause };
    let payload = encode_json(&ControlRequest::Hello(hello.clone()));
    let header = Header { kind: Kind::Control, stable: false, may_unmap: false, id: 0, offset: 0, length: 0 };
    let mut bytes = header.encode(&payload).to_vec();
    bytes.extend_from_slice(&payload);
    stream.write_all(&bytes).await.map_err(|error| lost(format!("could not say HELLO: {error}")))?;
    let answer = frame::read(stream).await.map_err(|error| lost(format!("no answer to HELLO: {error}")))?;
    let Some((header, payload)) = answer else {
        return Err(lost("closed the connection instead of answering HELLO".to_owned()));
    };
    if header.kind == Kind::Failed {
        return Err(remote_error(name, &payload));
    }
    match serde_json::from_slice(&payload) {
        Ok(ControlReply::Welcome(welcome)) => Ok(welcome),
        Ok(other) => Err(lost(format!("answered HELLO with {other:?}"))),
        Err(error) => Err(lost(format!("answered HELLO with something unreadable: {error}"))),
    }
}
