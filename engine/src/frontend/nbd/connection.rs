//! One client from its first byte to its last.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use super::export::Export;
use super::handshake::{self, Negotiated, Outcome, Security};
use super::in_flight::Pool;
use super::listener::stopped;
use super::tls::TlsFiles;
use super::transmission;
use crate::frontend::BlockDevice;

/// The whole handshake takes a few round trips. Whoever needs longer holds a place that others may want.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// Several small requests share one system call; a payload larger than this goes straight into its own buffer.
const READ_BUFFER_BYTES: usize = 128 << 10;
/// Several small replies share one system call; data larger than this is written straight from its own buffer.
const WRITE_BUFFER_BYTES: usize = 128 << 10;

/// What all connections of a listener have in common.
#[derive(Debug)]
pub(super) struct Service<D> {
    pub(super) device: Arc<D>,
    pub(super) export: String,
    pub(super) tls: Option<TlsFiles>,
    pub(super) pool: Pool,
}

/// A stream in two halves that can be put together again: TLS needs the whole.
pub(super) trait Halves {
    type Reader: AsyncRead + Unpin + Send;
    type Writer: AsyncWrite + Unpin + Send;
    type Whole: AsyncRead + AsyncWrite + Unpin + Send;

    fn split(self) -> (Self::Reader, Self::Writer);
    fn whole(reader: Self::Reader, writer: Self::Writer) -> io::Result<Self::Whole>;
}

type Encrypted<S> = TlsStream<<S as Halves>::Whole>;

/// How a client came out of the handshake.
enum Client<S: Halves> {
    Gone,
    Plain(BufReader<S::Reader>, BufWriter<S::Writer>, Negotiated),
    Encrypted(BufReader<ReadHalf<Encrypted<S>>>, BufWriter<WriteHalf<Encrypted<S>>>, Negotiated),
}

/// Serves one client; an error is the reason why it was cut off.
pub(super) async fn serve<D: BlockDevice, S: Halves>(
    service: Arc<Service<D>>,
    stream: S,
    security: Security,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    // Nothing is in flight during the handshake, so nobody loses anything when the server stops.
    let client = tokio::select! {
        client = tokio::time::timeout(HANDSHAKE_PATIENCE, handshake(&service, stream, security)) => {
            client.map_err(|_| io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the handshake was not finished within {} s", HANDSHAKE_PATIENCE.as_secs()),
            ))??
        }
        () = stopped(&mut stop) => return Ok(()),
    };
    let (device, pool) = (Arc::clone(&service.device), service.pool.clone());
    match client {
        Client::Gone => Ok(()),
        Client::Plain(reader, writer, negotiated) => {
            transmission::run(device, reader, writer, negotiated, pool, stop).await
        }
        Client::Encrypted(reader, writer, negotiated) => {
            transmission::run(device, reader, writer, negotiated, pool, stop).await
        }
    }
}

async fn handshake<D: BlockDevice, S: Halves>(
    service: &Service<D>,
    stream: S,
    security: Security,
) -> io::Result<Client<S>> {
    let export = Export { name: service.export.clone(), size_bytes: service.device.size() };
    let (reader, writer) = stream.split();
    let (mut reader, mut writer) = buffered(reader, writer);
    let greeted = handshake::greet(&mut reader, &mut writer).await?;
    match handshake::haggle(&mut reader, &mut writer, &export, security, greeted).await? {
        Outcome::Ended => return Ok(Client::Gone),
        Outcome::Transmission(negotiated) => return Ok(Client::Plain(reader, writer, negotiated)),
        Outcome::StartTls => {}
    }
    // Whoever sat between us and the client could have put these bytes there, and they would count as encrypted.
    if !reader.buffer().is_empty() {
        let message = "bytes came between the answer to STARTTLS and the TLS handshake";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let stream = start_tls(service, S::whole(reader.into_inner(), writer.into_inner())?).await?;
    let (reader, writer) = tokio::io::split(stream);
    let (mut reader, mut writer) = buffered(reader, writer);
    match handshake::haggle(&mut reader, &mut writer, &export, Security::Encrypted, greeted).await? {
        Outcome::Transmission(negotiated) => Ok(Client::Encrypted(reader, writer, negotiated)),
        Outcome::Ended | Outcome::StartTls => {
            // Without this farewell the client could not tell a polite end from a cut connection.
            writer.shutdown().await?;
            Ok(Client::Gone)
        }
    }
}

async fn start_tls<D, S>(service: &Service<D>, stream: S) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let files = service.tls.clone().ok_or_else(|| io::Error::other("TLS was started without its files"))?;
    let acceptor = tokio::task::spawn_blocking(move || files.load()).await.map_err(io::Error::other)?;
    acceptor.map_err(io::Error::other)?.accept(stream).await
}

pub(super) fn buffered<R: AsyncRead, W: AsyncWrite>(reader: R, writer: W) -> (BufReader<R>, BufWriter<W>) {
    let reader = BufReader::with_capacity(READ_BUFFER_BYTES, reader);
    (reader, BufWriter::with_capacity(WRITE_BUFFER_BYTES, writer))
}
