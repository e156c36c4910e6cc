//! Where clients come from.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

use super::connection::{self, Halves, Service};
use super::handshake::Security;
use super::socket_file::SocketFile;
use crate::frontend::BlockDevice;
use crate::frontend::server::Clients;
pub(super) use crate::frontend::server::stopped;

/// A client that is silent is asked for a sign of life so often, and is gone after so many questions without one.
const KEEPALIVE_SECONDS: u32 = 30;
const KEEPALIVE_COUNT: u32 = 4;

/// What a server listens on.
pub(super) struct Listeners<D> {
    pub(super) service: Arc<Service<D>>,
    pub(super) unix: Option<(UnixListener, SocketFile)>,
    pub(super) tcp: Option<TcpListener>,
    /// Of connections over TCP.
    pub(super) tcp_security: Security,
}

pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream, SocketAddr),
}

impl<D: BlockDevice> Clients for Listeners<D> {
    type Stream = Stream;
    type Error = io::Error;
    /// Multi-connection clients use 4 to 16 connections.
    const MOST: usize = 32;

    async fn accept(&self) -> io::Result<Stream> {
        tokio::select! {
            accepted = accept_unix(self.unix.as_ref().map(|(listener, _)| listener)) => accepted.map(Stream::Unix),
            accepted = accept_tcp(self.tcp.as_ref()) => accepted.map(|(stream, peer)| Stream::Tcp(stream, peer)),
        }
    }

    fn serve(
        &self,
        stream: Stream,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = io::Result<()>> + Send + use<D> + 'static {
        stream.serve(Arc::clone(&self.service), self.tcp_security, stop)
    }
}

async fn accept_unix(listener: Option<&UnixListener>) -> io::Result<UnixStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

async fn accept_tcp(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

impl Stream {
    async fn serve<D: BlockDevice>(
        self,
        service: Arc<Service<D>>,
        tcp_security: Security,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        match self {
            Self::Unix(stream) => {
                let security = if service.tls.is_some() { Security::TlsOffered } else { Security::Plain };
                connection::serve(service, stream, security, stop).await
            }
            Self::Tcp(stream, peer) => {
                tracing::debug!(%peer, "NBD client connected");
                // Replies are written as whole messages; waiting for more would only add latency.
                stream.set_nodelay(true)?;
                notice_death(&stream)?;
                connection::serve(service, stream, tcp_security, stop).await
            }
        }
    }
}

/// A client whose machine is gone says nothing any more; without asking, it would keep its place and its part of the
/// memory for ever.
fn notice_death(stream: &TcpStream) -> io::Result<()> {
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &KEEPALIVE_SECONDS)?;
    setsockopt(stream, sockopt::TcpKeepInterval, &KEEPALIVE_SECONDS)?;
    setsockopt(stream, sockopt::TcpKeepCount, &KEEPALIVE_COUNT)?;
    Ok(())
}

impl Halves for UnixStream {
    type Reader = tokio::net::unix::OwnedReadHalf;
    type Writer = tokio::net::unix::OwnedWriteHalf;
    type Whole = Self;

    fn split(self) -> (Self::Reader, Self::Writer) {
        self.into_split()
    }

    fn whole(reader: Self::Reader, writer: Self::Writer) -> io::Result<Self> {
        reader.reunite(writer).map_err(io::Error::other)
    }
}

impl Halves for TcpStream {
    type Reader = tokio::net::tcp::OwnedReadHalf;
    type Writer = tokio::net::tcp::OwnedWriteHalf;
    type Whole = Self;

    fn split(self) -> (Self::Reader, Self::Writer) {
        self.into_split()
    }

    fn whole(reader: Self::Reader, writer: Self::Writer) -> io::Result<Self> {
        reader.reunite(writer).map_err(io::Error::other)
    }
}
