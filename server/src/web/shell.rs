//! The page around the dashboard: one document for every address of the UI. It finds the application's root, loads the
//! wasm module and shows the frame of what comes while that loads.

use askama::Template;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::assets;
use super::first_view::{Content, FirstView};
use super::live::Live;
use super::nonce::Nonce;
use super::request_url::way_to_root;
use super::security_headers::dashboard_policy;
use crate::error::ApiError;

/// Addresses of the dashboard's files, relative to the application's root.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    style: String,
    script: String,
    wasm: String,
    /// Fetched where Chinese is chosen.
    words: String,
}

impl Files {
    /// Those embedded in this binary; none when it was built without the dashboard.
    fn embedded() -> Option<Self> {
        let manifest = assets::manifest();
        let address = |name| manifest.file(name).map(|file| format!("assets/{file}"));
        Some(Self {
            style: address("aurochs.css")?,
            script: address("aurochs.js")?,
            wasm: address("aurochs.wasm")?,
            words: address("words-zh.json")?,
        })
    }
}

#[derive(Template)]
#[template(path = "shell.html")]
struct Shell<'a> {
    nonce: &'a Nonce,
    /// Relative reference to the root: the document's own address tells the rest, whatever the prefix.
    root: String,
    files: Option<Files>,
    first: Option<FirstView>,
}

/// Answers with the shell for the page at `path`, with a first view of what it shows.
#[must_use]
pub fn respond(path: &str, headers: &HeaderMap, live: &Live) -> Response {
    let nonce = Nonce::random();
    let first = FirstView::of(path, headers, live);
    let shell = Shell { nonce: &nonce, root: way_to_root(path), files: Files::embedded(), first };
    let html = match shell.render() {
        Ok(html) => html,
        Err(error) => return ApiError::internal("rendering the page", error).into_response(),
    };
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_SECURITY_POLICY, dashboard_policy(&nonce)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, HeaderValue::from_static("Cookie, Accept, Accept-Language")),
    ];
    let status = if shell.files.is_some() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, headers, Html(html)).into_response()
}
