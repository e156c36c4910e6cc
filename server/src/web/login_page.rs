//! The login page: one HTML answer without scripts and without further files, so that it works before anything else does.

use askama::Template;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::nonce::Nonce;
use super::request_url::way_to_root;
use super::security_headers::plain_page_policy;
use super::words::Words;
use crate::error::ApiError;

const TOKENS: &str = include_str!("../../../assets/styles/00-tokens.css");
/// Longer targets than any page of ours has are not kept.
const TARGET_LENGTH_MAXIMUM: usize = 512;

/// What the page shows.
#[derive(Debug, Default)]
pub struct LoginPage {
    /// Name that was typed, kept when the password was wrong.
    pub user: String,
    /// Page to go to afterwards.
    pub target: Target,
    /// Why the last try failed, in the page's language.
    pub problem: Option<String>,
    pub words: Words,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginHtml<'a> {
    nonce: &'a Nonce,
    tokens: &'static str,
    user: &'a str,
    target: &'a Target,
    problem: Option<&'a str>,
    words: Words,
}

impl LoginPage {
    #[must_use]
    pub fn respond(&self, status: StatusCode) -> Response {
        let nonce = &Nonce::random();
        let (user, target, problem) = (&self.user, &self.target, self.problem.as_deref());
        page(&LoginHtml { nonce, tokens: TOKENS, user, target, problem, words: self.words }, status, nonce)
    }
}

/// A page of the dashboard, relative to its root: "" or `volumes/data?tab=snapshots`. Never another place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target(String);

impl Target {
    /// Takes a path with its query if it stays inside; else the start page.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim_start_matches('/');
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%?=&+,".contains(&b));
        let climbs = text.contains("..") || text.contains("//");
        if plain && !climbs && text.len() <= TARGET_LENGTH_MAXIMUM { Self(text.to_owned()) } else { Self::default() }
    }

    /// `Location` as seen from `/login`.
    #[must_use]
    pub fn location(&self) -> String {
        if self.0.is_empty() { ".".to_owned() } else { format!("./{}", self.0) }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Sends a browser without login to the login page, and keeps in mind where it wanted to go.
///
/// A strict cookie is not sent when the user comes by a link on another site, although they are logged in. Such a request
/// is repeated once by our own page, and then the cookie comes along.
#[must_use]
pub fn send_there(parts: &Parts) -> Response {
    if parts.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return page(&Again, StatusCode::OK, &Nonce::random());
    }
    let wanted = parts.uri.path_and_query().map_or("", axum::http::uri::PathAndQuery::as_str);
    let target = Target::parse(wanted);
    let mut location = format!("{}login", way_to_root(parts.uri.path()));
    if target != Target::default() {
        location.push_str("?next=");
        location.extend(target.0.chars().map(|c| match c {
            '&' => "%26".to_owned(),
            '%' => "%25".to_owned(),
            '+' => "%2B".to_owned(),
            other => other.to_string(),
        }));
    }
    let mut response = see_other(&location);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Cookie, Accept"));
    response
}

/// 303 to a relative address: right under every prefix.
#[must_use]
pub fn see_other(location: &str) -> Response {
    match HeaderValue::try_from(location) {
        Ok(location) => {
            let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Err(error) => ApiError::internal("redirecting", error).into_response(),
    }
}

/// Loads the same address once more.
#[derive(Template)]
#[template(source = "<!doctype html><meta http-equiv=\"refresh\" content=\"0\"><title>Aurochs</title>", ext = "html")]
struct Again;

fn page(template: &impl Template, status: StatusCode, nonce: &Nonce) -> Response {
    match template.render() {
        Ok(html) => {
            let headers = [
                (header::CONTENT_SECURITY_POLICY, plain_page_policy(nonce)),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (status, headers, Html(html)).into_response()
        }
        Err(error) => ApiError::internal("rendering a page", error).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_stay_inside() {
        for (text, location) in [
            ("", "."),
            ("/", "."),
            ("volumes/data?tab=1", "./volumes/data?tab=1"),
            ("/nodes", "./nodes"),
            ("//evil.example/", "./evil.example/"),
            ("https://evil.example", "."),
            ("javascript:alert(1)", "."),
            ("../../x", "."),
            ("a\r\nSet-Cookie: x", "."),
        ] {
            assert_eq!(Target::parse(text).location(), location, "{text}");
        }
    }
}
