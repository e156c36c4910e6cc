//! Connections: accepted, limited, ended.
//!
//! 1. [`seats`] — how many there may be, in all and from one client;
//! 2. [`stall`] — a client that takes nothing any more is given up;
//! 3. this file — accept until told to stop, then give what is under way a moment to finish.
//!
//! Invariant: nothing that a client does or leaves undone keeps the manager from ending, or others from connecting.

mod seats;
mod stall;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use self::seats::Seats;
use self::stall::Connection;

/// A pause after the system refused a connection, because there are no file descriptors left for example.
const REFUSAL_PAUSE: Duration = Duration::from_secs(1);
/// The few bytes of a refusal fit into the buffer of every new connection.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 5\r\n\
    connection: close\r\ncontent-length: 64\r\n\r\nThere are too many connections. Close some, then try once more.\n";

/// What connections may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Until the head of a request is there; an idle connection is kept for as long. Proxies that keep connections do so
    /// for a minute: were this shorter, they would send a request into one that is just being closed.
    pub head: Duration,
    /// Until a client that has stopped reading takes something again.
    pub write: Duration,
    /// Connections at the same time.
    pub connections: usize,
    /// Of them from one client; a trusted proxy speaks for many and has no such limit.
    pub of_one_client: usize,
    /// For requests under way when the manager is told to end. `aurochs stop` waits longer.
    pub drain: Duration,
}

/// More dashboards, scripts and proxies than anybody has.
const CONNECTIONS_MAXIMUM: usize = 2048;

impl Default for Limits {
    fn default() -> Self {
        // The other half of the files that the process may open are for the database and the engines.
        let files = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
        let files = files.map_or(1024, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX));
        let connections = (files / 2).clamp(16, CONNECTIONS_MAXIMUM);
        Self {
            head: Duration::from_secs(65),
            write: Duration::from_secs(30),
            connections,
            of_one_client: connections / 2,
            drain: Duration::from_secs(10),
        }
    }
}

/// When to end.
#[derive(Debug)]
pub struct Ending<Stop, Hurry> {
    /// No more connections from then on; requests under way finish.
    pub stop: Stop,
    /// They don't any more.
    pub hurry: Hurry,
}

/// Answers connections until told to end. `trusted`: the proxies that speak for others.
pub async fn serve(
    listener: TcpListener,
    service: Router,
    trusted: impl Fn(IpAddr) -> bool + Send,
    limits: Limits,
    ending: Ending<impl Future<Output = ()> + Send, impl Future<Output = ()> + Send>,
) {
    let seats = Seats::new(limits.connections, limits.of_one_client);
    let ends = watch::Sender::new(false);
    let mut conversations = JoinSet::new();
    let mut stop = std::pin::pin!(ending.stop);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut stop => break,
            Some(_) = conversations.join_next() => continue,
            accepted = accept(&listener) => accepted,
        };
        let client = peer.ip().to_canonical();
        let Some(seat) = seats.take(client, trusted(client)) else {
            refuse(stream).await;
            continue;
        };
        // Answers are whole when they are written: waiting for more to send with them only makes them late.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection went away at once");
            continue;
        }
        let connection = Connection::new(stream, limits.write, seat);
        conversations.spawn(converse(connection, service.clone(), peer, limits.head, ends.subscribe()));
    }
    drop(listener);
    ends.send_replace(true);
    let finished = async { while conversations.join_next().await.is_some() {} };
    let in_time = tokio::select! {
        () = finished => true,
        () = tokio::time::sleep(limits.drain) => false,
        () = ending.hurry => false,
    };
    if !in_time {
        tracing::info!(requests = conversations.len(), "ending although requests are under way");
    }
    conversations.shutdown().await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) => {}
            Err(error) => {
                tracing::error!(%error, "a connection can't be accepted; trying again");
                tokio::time::sleep(REFUSAL_PAUSE).await;
            }
        }
    }
}

async fn refuse(mut stream: TcpStream) {
    tracing::debug!("a connection too many was refused");
    let told = async {
        stream.write_all(BUSY).await?;
        stream.shutdown().await
    };
    // Who does not even take this is gone.
    let _ = tokio::time::timeout(BUSY_TIMEOUT, told).await;
}

/// Answers the requests of one connection until either side ends it, or hands it over to a WebSocket.
async fn converse(
    connection: Connection,
    service: Router,
    peer: SocketAddr,
    head: Duration,
    mut ends: watch::Receiver<bool>,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let service = service.clone();
        async move {
            Ok::<Response<Body>, Infallible>(service.oneshot(request).await.unwrap_or_else(|never| match never {}))
        }
    });
    let mut settings = http1::Builder::new();
    settings.timer(TokioTimer::new()).header_read_timeout(head);
    let conversation = settings.serve_connection(TokioIo::new(connection), answer).with_upgrades();
    let mut conversation = std::pin::pin!(conversation);
    let told_to_end = async move { drop(ends.wait_for(|ends| *ends).await) };
    let ended = tokio::select! {
        ended = conversation.as_mut() => ended,
        () = told_to_end => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, error = causes(&error), "a connection ended early");
    }
}

/// An error with what is behind it.
fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
