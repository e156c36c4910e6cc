//! Connections of the API's clients: how many there are, and how long one may keep its place without using it.
//!
//! | a client that | is closed after |
//! |---|---|
//! | does not finish the handshake of TLS | [`Limits::handshake`] |
//! | does not finish the head of a request, or sends no further one | [`Limits::head`] |
//! | does not finish a body | the time of an answer (`limits::time`) |
//! | takes nothing of what it is sent | [`Limits::stall`] |
//!
//! Whoever comes when all places are taken waits until one is free. WebSockets have their places, too. One client has at
//! most half of them ([`clients`]); a trusted proxy speaks for many.

mod clients;
mod stream;
pub mod tls;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use clients::Clients;
use stream::Stream;
use tls::Tls;

use crate::error::{ApiError, ErrorKind};

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
    /// Time for the handshake of TLS.
    pub handshake: Duration,
    /// Time that a client may take nothing of what it is sent.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 800,
            of_one_client: 400,
            head: Duration::from_secs(75),
            handshake: Duration::from_secs(10),
            stall: Duration::from_secs(30),
        }
    }
}

/// Where clients come in.
pub struct Door {
    pub listener: TcpListener,
    /// Clients have to use it, where there is any.
    pub tls: Option<Tls>,
    pub limits: Limits,
}

/// Put into every request that came over TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encrypted;

/// What all connections have in common.
#[derive(Clone)]
struct Common {
    service: Router,
    tls: Option<Tls>,
    limits: Limits,
    stopping: watch::Receiver<bool>,
}

/// Answers connections until `stop` is done, then finishes what is under way. `trusted`: proxies.
pub async fn serve(door: Door, service: Router, trusted: impl Fn(IpAddr) -> bool, stop: impl Future<Output = ()>) {
    let Door { listener, tls, limits } = door;
    let clients = Clients::new(limits.of_one_client);
    let places = Arc::new(Semaphore::new(limits.connections));
    let (tell_stopping, stopping) = watch::channel(false);
    let common = Common { service, tls, limits, stopping };
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
                open.spawn(welcome(stream, address, common.clone()));
            }
        }
    }
    drop(listener);
    tell_stopping.send_replace(true);
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

/// Takes a connection over the handshake of TLS, where there is one. Who speaks HTTP instead is told so by HTTP.
async fn welcome(stream: Stream, address: SocketAddr, common: Common) {
    let Some(tls) = common.tls.clone() else { return answer(stream, address, false, common).await };
    let patience = common.limits.handshake;
    match tokio::time::timeout(patience, stream.begins_with_tls()).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            let service = Router::new().fallback(async || unencrypted());
            return answer(stream, address, false, Common { service, ..common }).await;
        }
        Ok(Err(_)) | Err(_) => return,
    }
    match tokio::time::timeout(patience, tls.accept(stream)).await {
        Ok(Ok(stream)) => answer(stream, address, true, common).await,
        Ok(Err(error)) => tracing::debug!(%error, %address, "a handshake of TLS failed"),
        Err(_) => tracing::debug!(%address, "a handshake of TLS did not come to its end"),
    }
}

fn unencrypted() -> ([(HeaderName, HeaderValue); 1], ApiError) {
    let error = ApiError::new(
        ErrorKind::BadRequest,
        "this address speaks TLS, and the request came unencrypted",
        "Use https:// instead of http://. A password that was sent along went over the line in clear: change it.",
    );
    ([(header::CONNECTION, HeaderValue::from_static("close"))], error)
}

/// Answers the requests of one connection, one after the other.
async fn answer<S>(stream: S, address: SocketAddr, is_encrypted: bool, common: Common)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Common { service, limits, mut stopping, .. } = common;
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(address));
        if is_encrypted {
            request.extensions_mut().insert(Encrypted);
        }
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
