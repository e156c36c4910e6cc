//! Connections of the API's clients: how many there are, and how long one may keep its place without using it.
//!
//! | a client that | is closed after |
//! |---|---|
//! | does not finish the head of a request, or sends no further one | [`Limits::head`] |
//! | does not finish a body | the time of an answer (`limits::time`) |
//! | takes nothing of what it is sent | [`Limits::stall`] |
//!
//! Whoever comes when all places are taken waits until one is free. WebSockets have their places, too. One client has at
//! most half of them ([`clients`]); a trusted proxy speaks for many.

mod clients;
mod stream;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use clients::Clients;
use stream::Stream;

/// What a connection may have for its requests' heads and bodies while they are read, and its answers while they are
/// written. A longer head is answered with 431, as is one of more than a hundred headers.
const BUFFER_BYTES: usize = 64 << 10;
/// When the manager ends, what is under way gets this long.
const FAREWELL: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted, as when this process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What all clients together, and each one, may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. A dashboard of Longhorn's has about fifteen.
    pub connections: usize,
    /// Of them from one address that is no trusted proxy.
    pub of_one_client: usize,
    /// Time for the head of a request, from the end of the answer before; so long may a connection be kept for the next.
    pub head: Duration,
    /// Time that a client may take nothing of what it is sent.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 800, of_one_client: 400, head: Duration::from_secs(75), stall: Duration::from_secs(30) }
    }
}

/// Answers connections until `stop` is done, then finishes what is under way. `trusted`: proxies.
pub async fn serve(
    listener: TcpListener,
    service: Router,
    limits: Limits,
    trusted: impl Fn(IpAddr) -> bool,
    stop: impl Future<Output = ()>,
) {
    let clients = Clients::new(limits.of_one_client);
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stopping, watch_stop) = watch::channel(false);
    let mut open = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = open.join_next() => {}
            (stream, address, place) = accept(&listener, &places) => {
                let client = address.ip().to_canonical();
                let Some(share) = clients.take(client, trusted(client)) else {
                    tracing::debug!(%client, "a connection was closed: its client has as many as it may");
                    continue;
                };
                let stream = Stream::new(stream, limits.stall, place, share);
                open.spawn(answer(stream, address, service.clone(), limits, watch_stop.clone()));
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let all_ended = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all_ended).await.is_err() {
        tracing::info!(connections = open.len(), "clients were cut off: they did not finish in time");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // None only if the places were closed, which nobody does.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Answers and messages are written whole; waiting for more of them only delays them.
                let _ = stream.set_nodelay(true);
                return (stream, address, place);
            }
            // The client is gone already.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection, one after the other.
async fn answer(
    stream: Stream,
    address: SocketAddr,
    service: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(address));
        respond(service.clone(), request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(BUFFER_BYTES);
    let connection = http.serve_connection(TokioIo::new(stream), answer).with_upgrades();
    tokio::pin!(connection);
    let stop = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %address, "a connection ended");
    }
}

async fn respond(service: Router, request: Request) -> Result<Response, Infallible> {
    service.oneshot(request).await
}
