//! The handshake of a WebSocket (RFC 6455, 4.2), and the connection it gives.
//!
//! Lists of thousands of volumes are sent in frames of a bounded size; the framework's own WebSocket sends a message as
//! one frame and keeps a copy of it for each client, so the connection is taken over before it.

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::error::{ApiError, ErrorKind};

/// A client's WebSocket.
pub(crate) type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// Clients say which lists they follow, and nothing else.
const INCOMING_LIMIT_BYTES: usize = 4096;
/// Frames are handed to the socket when this much has gathered.
const WRITE_BUFFER_BYTES: usize = 64 << 10;

/// A request for a WebSocket. An extractor.
#[derive(Debug)]
pub struct Upgrade {
    accept: String,
    connection: OnUpgrade,
}

impl Upgrade {
    /// Answers the handshake and serves the connection in a task of its own.
    pub(crate) fn serve<F>(self, run: impl FnOnce(WebSocket) -> F + Send + 'static) -> Result<Response, ApiError>
    where
        F: Future<Output = ()> + Send,
    {
        let accept = HeaderValue::try_from(self.accept).map_err(|error| ApiError::internal("a handshake", error))?;
        tokio::spawn(async move {
            match self.connection.await {
                Ok(connection) => run(open(connection).await).await,
                Err(error) => tracing::debug!(%error, "a client went away during the handshake of a WebSocket"),
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        Ok(response)
    }
}

async fn open(connection: Upgraded) -> WebSocket {
    let config = WebSocketConfig::default()
        .max_message_size(Some(INCOMING_LIMIT_BYTES))
        .max_frame_size(Some(INCOMING_LIMIT_BYTES))
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(8 * WRITE_BUFFER_BYTES);
    WebSocketStream::from_raw_socket(TokioIo::new(connection), Role::Server, Some(config)).await
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let asks = parts.method == Method::GET
            && parts.version <= Version::HTTP_11
            && names(&parts.headers, header::CONNECTION, "upgrade")
            && names(&parts.headers, header::UPGRADE, "websocket");
        let key = parts.headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asks);
        let key = key.ok_or_else(|| refused("this address is a WebSocket"))?;
        if parts.headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(refused("WebSockets are served in version 13"));
        }
        let accept = derive_accept_key(key.as_bytes());
        let connection = parts.extensions.remove::<OnUpgrade>();
        let connection = connection.ok_or_else(|| refused("this connection can't become a WebSocket"))?;
        Ok(Self { accept, connection })
    }
}

fn refused(why: &str) -> ApiError {
    ApiError::new(ErrorKind::BadRequest, why, "Connect with a WebSocket client, or GET the list itself.")
}

/// Whether a header that is a list of words has this one.
fn names(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let values = headers.get_all(name);
    let mut words = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    words.any(|found| found.trim().eq_ignore_ascii_case(word))
}
