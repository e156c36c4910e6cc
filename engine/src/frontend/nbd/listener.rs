//! Accepts clients and ends them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::{self, Halves, Service};
use super::handshake::Security;
use super::socket_file::SocketFile;
use crate::frontend::BlockDevice;

/// Clients at a time. Multi-connection clients use 4 to 16 connections.
const MAX_CONNECTIONS: usize = 32;
/// After a stop, so long may the device take to finish what is in flight and the clients to read the answers. Then
/// the rest is cut off: an answer that nobody has read acknowledges nothing.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);
/// A client that is silent is asked for a sign of life so often, and is gone after so many questions without one.
const KEEPALIVE_SECONDS: u32 = 30;
const KEEPALIVE_COUNT: u32 = 4;
/// Pause after `accept` failed (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server listens on.
pub(super) struct Listeners {
    pub(super) unix: Option<(UnixListener, SocketFile)>,
    pub(super) tcp: Option<TcpListener>,
    /// Of connections over TCP.
    pub(super) tcp_security: Security,
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream, SocketAddr),
}

/// Returns when `stop` has become true, or when nobody is left who could say so.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody owns this server any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves until `stop` turns true, then lets the connections finish.
pub(super) async fn run<D: BlockDevice>(
    service: Arc<Service<D>>,
    listeners: Listeners,
    mut stop: watch::Receiver<bool>,
) {
    let export_name = &service.export;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // In this order, so that places of clients that have left are free before the next one is counted.
            biased;
            () = stopped(&mut stop) => break,
            Some(finished) = connections.join_next() => report(finished),
            accepted = listeners.accept() => match accepted {
                Ok(_) if connections.len() >= MAX_CONNECTIONS => {
                    tracing::warn!(export = export_name, "an NBD client was turned away: {MAX_CONNECTIONS} are served already");
                }
                Ok(stream) => {
                    connections.spawn(stream.serve(Arc::clone(&service), listeners.tcp_security, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(export = export_name, %error, "an NBD client could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listeners);
    drain(connections).await;
}

async fn drain(mut connections: JoinSet<io::Result<()>>) {
    let all = async {
        while let Some(finished) = connections.join_next().await {
            report(finished);
        }
    };
    if tokio::time::timeout(DRAIN_PATIENCE, all).await.is_err() {
        tracing::warn!(
            left = connections.len(),
            "NBD connections are cut off: their last requests were not answered, or their answers not read, in time"
        );
        connections.shutdown().await;
    }
}

fn report(finished: Result<io::Result<()>, tokio::task::JoinError>) {
    match finished {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::info!(%error, "an NBD connection ended early"),
        Err(error) => tracing::error!(%error, "an NBD connection failed inside"),
    }
}

impl Listeners {
    /// The next client of any listener. May be dropped while it waits.
    async fn accept(&self) -> io::Result<Stream> {
        tokio::select! {
            accepted = accept_unix(self.unix.as_ref().map(|(listener, _)| listener)) => accepted.map(Stream::Unix),
            accepted = accept_tcp(self.tcp.as_ref()) => accepted.map(|(stream, peer)| Stream::Tcp(stream, peer)),
        }
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
