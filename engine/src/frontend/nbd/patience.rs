//! How long the other side may take for one message.
//!
//! A request holds memory that all clients share from before its payload comes until its answer has been written. A
//! client that stops in the middle of either would hold that for ever.

use std::io;
use std::time::Duration;

/// For the largest payload, a client that is worth waiting for needs a small part of it. Unit tests need less.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(60) };

/// Carries out a transfer; `what` completes "... within 60 s".
pub(super) async fn patiently<T>(what: &str, transfer: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, transfer).await.unwrap_or_else(|_| {
        let message = format!("the NBD client is cut off: {what} within {} s", PATIENCE.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })
}
