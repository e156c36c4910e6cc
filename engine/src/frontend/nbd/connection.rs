//! One client from its first byte to its last.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufReader, BufWriter};
use tokio::sync::watch;

use super::export::Export;
use super::handshake::{self, Outcome};
use super::listener::stopped;
use super::reply::ReplyStyle;
use super::transmission;
use crate::frontend::BlockDevice;

/// The whole handshake takes a few round trips. Whoever needs longer holds a place that others may want.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// Several small requests share one system call; a payload larger than this goes straight into its own buffer.
const READ_BUFFER_BYTES: usize = 128 << 10;
/// Several small replies share one system call; data larger than this is written straight from its own buffer.
const WRITE_BUFFER_BYTES: usize = 128 << 10;

/// Serves one client; an error is the reason why it was cut off.
pub(super) async fn serve<D, R, W>(
    device: Arc<D>,
    export_name: String,
    reader: R,
    writer: W,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()>
where
    D: BlockDevice,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, reader);
    let mut writer = BufWriter::with_capacity(WRITE_BUFFER_BYTES, writer);
    let export = Export { name: export_name, size_bytes: device.size() };
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(HANDSHAKE_PATIENCE, handshake::negotiate(&mut reader, &mut writer, &export)) => {
            outcome.map_err(|_| io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the handshake was not finished within {} s", HANDSHAKE_PATIENCE.as_secs()),
            ))??
        }
        // Nothing is in flight yet, so nobody loses anything.
        () = stopped(&mut stop) => return Ok(()),
    };
    match outcome {
        Outcome::Ended => Ok(()),
        Outcome::Transmission { structured } => {
            let style = if structured { ReplyStyle::Structured } else { ReplyStyle::Simple };
            transmission::run(device, reader, writer, style, stop).await
        }
    }
}
