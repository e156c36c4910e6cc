//! Headers that tell a browser what a page of ours may do, on every answer.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::nonce::Nonce;

/// For answers that are no page: nothing may be run or loaded from them.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'self'");

/// Middleware: adds what is not there yet.
pub async fn add(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, NOTHING),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ] {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Policy of the dashboard: our own files, inline code only with this page's nonce, wasm, and our own WebSocket.
/// The dashboard sets widths of bars by style attributes, which need 'unsafe-inline' for attributes alone.
#[must_use]
pub fn dashboard_policy(nonce: &Nonce) -> HeaderValue {
    policy(format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src-elem 'self' 'nonce-{nonce}'; \
         style-src-attr 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; \
         form-action 'self'; frame-ancestors 'self'"
    ))
}

/// Policy of a page without scripts.
#[must_use]
pub fn plain_page_policy(nonce: &Nonce) -> HeaderValue {
    policy(format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'self'"
    ))
}

fn policy(text: String) -> HeaderValue {
    // The text is ASCII from above; should it ever not be, the strictest policy is the safe answer.
    HeaderValue::try_from(text).unwrap_or(NOTHING)
}
