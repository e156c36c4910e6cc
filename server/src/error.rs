//! What goes wrong while a request is answered, and the answer that the client gets for it.
//!
//! Handlers return [`ApiError`]. It becomes Longhorn's error body ([`ErrorBody`]): `message` says what was tried and why
//! it failed, `detail` says what to do next. [`render`] runs outside of all handlers and fills in the request's own URL.

use std::fmt;
use std::time::Duration;

use aurochs_api::schema::ErrorBody;
use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::feature::Feature;
use crate::store::StoreError;
use crate::web::request_url::RequestUrl;

/// What kind of failure it is. The one table of HTTP statuses is [`ErrorKind::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request can't be understood: malformed JSON, a field of the wrong type.
    BadRequest,
    /// Nobody is logged in.
    Unauthorized,
    /// Logged in, but not with the role for it, or another site sent the request.
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// The answer took too long.
    Timeout,
    /// The state of the thing does not allow it now.
    Conflict,
    TooLarge,
    /// The client did not send all of its request.
    SlowRequest,
    /// The request is understood, but a value can't be used.
    Invalid,
    TooManyRequests,
    /// A bug or a broken machine; never the answer to bad input.
    Internal,
    /// Something that is needed does not answer now.
    Unavailable,
}

impl ErrorKind {
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowRequest => StatusCode::REQUEST_TIMEOUT,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A failed request.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub kind: ErrorKind,
    /// What was tried, on what, and why it failed.
    pub message: String,
    /// What to do next; empty when there is nothing to do.
    pub next_step: String,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl fmt::Display, next_step: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string(), next_step: next_step.to_string(), retry_after: None }
    }

    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// A failure that no request should be able to cause. The reason goes to the log, in full; the client gets it too,
    /// since whoever is logged in may read the log anyway.
    #[must_use]
    pub fn internal(tried: impl fmt::Display, reason: impl fmt::Display) -> Self {
        tracing::error!(%tried, %reason, "a request failed inside the manager");
        Self::new(
            ErrorKind::Internal,
            format_args!("{tried}: {reason}"),
            "Try again; if it goes on, look into the manager's log.",
        )
    }

    /// Nothing of this name.
    #[must_use]
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(
            ErrorKind::NotFound,
            format_args!("there is no {what} named {name:?}"),
            format_args!("List the {what}s to see their names."),
        )
    }

    /// What this version can't do yet. One kind for all of them, so that clients can tell it from a mistake of theirs.
    #[must_use]
    pub fn not_yet(feature: Feature, tried: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Invalid,
            format_args!("{tried} is not done: this version has no {} yet", feature.words()),
            feature.next_step(),
        )
    }

    /// The body, as it goes to the client that asked for `url`.
    fn body(&self, url: &str) -> ErrorBody {
        let status = self.kind.status();
        ErrorBody {
            kind: "error".to_owned(),
            status: status.as_u16(),
            code: status.canonical_reason().unwrap_or_default().to_owned(),
            message: self.message.clone(),
            detail: self.next_step.clone(),
            links: [("self".to_owned(), url.to_owned())].into(),
            actions: Default::default(),
        }
    }

    /// `Retry-After` in whole seconds, rounded up.
    #[must_use]
    pub fn retry_after_header(&self) -> Option<HeaderValue> {
        let delay = self.retry_after?;
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        Some(HeaderValue::from(seconds.max(1)))
    }

    fn respond(self, url: &str) -> Response {
        let mut response = (self.kind.status(), Json(self.body(url))).into_response();
        if let Some(value) = self.retry_after_header() {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.respond("")
    }
}

/// A library's own refusal has a few words; more than this is not read.
const FOREIGN_TEXT_LIMIT_BYTES: usize = 4096;

/// Middleware: gives every error body the URL of the request that failed, which handlers don't know and need not.
/// Refusals by the web framework (a broken escape in a path, a bad WebSocket handshake) get a body of our form, too.
pub async fn render(url: RequestUrl, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let error = match response.extensions_mut().remove::<ApiError>() {
        Some(error) => error,
        None if is_foreign_refusal(&response) => return adopt(response, &url).await,
        None => return response,
    };
    with_headers_of(error.respond(&url.current()), response.headers())
}

fn is_foreign_refusal(response: &Response) -> bool {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    (status.is_client_error() || status.is_server_error()) && !kind.contains("json") && !kind.contains("html")
}

async fn adopt(response: Response, url: &RequestUrl) -> Response {
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, FOREIGN_TEXT_LIMIT_BYTES).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let reason = parts.status.canonical_reason().unwrap_or_default();
    let message = if text.is_empty() { reason.into() } else { text };
    let mut body = ApiError::new(ErrorKind::BadRequest, message, "").body(&url.current());
    body.status = parts.status.as_u16();
    reason.clone_into(&mut body.code);
    with_headers_of((parts.status, Json(body)).into_response(), &parts.headers)
}

/// Headers that the failing layer added (a challenge, the allowed methods) stay.
fn with_headers_of(mut rendered: Response, headers: &HeaderMap) -> Response {
    for (name, value) in headers {
        if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
            rendered.headers_mut().insert(name.clone(), value.clone());
        }
    }
    rendered
}

/// Answer for a path that nobody serves.
pub async fn unknown_path(request: Request) -> ApiError {
    let path = request.uri().path();
    ApiError::new(
        ErrorKind::NotFound,
        format_args!("there is nothing at {path}"),
        "GET /v1 lists what there is, GET /v1/schemas describes it.",
    )
}

/// Answer for a known path with a method that it does not take. axum adds the `Allow` header.
pub async fn method_not_allowed(method: Method, request: Request) -> ApiError {
    let path = request.uri().path();
    ApiError::new(
        ErrorKind::MethodNotAllowed,
        format_args!("{method} is not possible on {path}"),
        "The header Allow of this answer names the methods that are.",
    )
}

/// Turns a handler's panic into an answer, so that the client is not left with a broken connection.
pub(crate) fn panicked(payload: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&'static str>().copied())
        .unwrap_or("the manager panicked");
    ApiError::internal("answering the request", text).into_response()
}

// === from the store ===

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { kind, name } => Self::not_found(&kind.to_lowercase(), name),
            StoreError::AlreadyExists { .. } => Self::new(ErrorKind::Conflict, &error, "Choose another name."),
            StoreError::Conflict { .. } => {
                Self::new(ErrorKind::Conflict, &error, "Read it again and repeat the change.")
            }
            StoreError::Refused { .. } => {
                Self::new(ErrorKind::Invalid, &error, "Change what it names; kubectl would be told the same.")
            }
            StoreError::Decode { .. } => Self::internal("reading the store", &error),
            StoreError::Backend { .. } => {
                tracing::error!(%error, "the store does not answer");
                Self::new(
                    ErrorKind::Unavailable,
                    &error,
                    "Look at the disk that holds the manager's data, then try again.",
                )
            }
        }
    }
}
