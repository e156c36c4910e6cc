//! Limits of a request: how long it may take, how it is traced.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::error::{ApiError, ErrorKind};
use crate::metrics;
use crate::routes::backing_image::upload;

/// No answer takes longer; Longhorn's own clients give up after ten seconds, its CSI plugin after a minute.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(55);
/// Header that ties an answer to the lines in the log.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// Middleware: an answer in time, or 504. A WebSocket is past it as soon as it is open; an upload has a limit of its own,
/// on how long nothing of it comes.
pub async fn time(request: Request, next: Next) -> Response {
    if upload::is_one(&request) {
        return next.run(request).await;
    }
    let path = request.uri().path().to_owned();
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = format_args!("{path} took longer than {} s", ANSWER_TIMEOUT.as_secs());
            ApiError::new(
                ErrorKind::Timeout,
                message,
                "What was begun goes on; look at the result before trying again.",
            )
            .into_response()
        }
    }
}

/// Middleware: one line in the log for each request, with its id. Headers, cookies, queries and bodies stay out of the
/// log: they may hold secrets. Only the name of an action is taken from a query.
pub async fn trace(request: Request, next: Next) -> Response {
    let started = std::time::Instant::now();
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let action = request.uri().query().and_then(|query| query.strip_prefix("action=")).unwrap_or_default().to_owned();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let span = tracing::info_span!("request", id);
    async move {
        let response = next.run(request).await;
        metrics::requests::answered(&method, &route, response.status(), started.elapsed());
        let (status, milliseconds) = (response.status().as_u16(), started.elapsed().as_millis());
        if status >= 500 {
            tracing::warn!(%method, path, action, route, status, milliseconds, "answered");
        } else {
            tracing::debug!(%method, path, action, route, status, milliseconds, "answered");
        }
        response
    }
    .instrument(span)
    .await
}
