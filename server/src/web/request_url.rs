//! Where the client thinks it is: the base of all links and actions.
//!
//! First that gives an answer (Longhorn's order): the header `X-API-request-url` · the setting `manager-url` ·
//! `X-Forwarded-Proto` with `-Host` and `-Port` · the `Host` of the request. `X-Forwarded-Prefix` is put before every path: it is what a proxy
//! that serves us under a path tells about it. A header with anything that can't be in a URL is ignored.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, Uri, header, request::Parts};
use axum::middleware::Next;
use axum::response::Response;

use crate::settings::{Name, Settings};

/// The request's own URL, in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestUrl {
    /// Scheme, authority and prefix, without a slash at the end: `http://10.0.0.1:9500`, `https://example.org/storage`.
    base: String,
    /// Path as the router sees it, without the prefix.
    path: String,
}

impl RequestUrl {
    #[must_use]
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        Self::with_manager_url("", uri, headers)
    }

    /// The same where the setting `manager-url` has this value.
    fn with_manager_url(manager_url: &str, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path().to_owned();
        let base = told_by_client(headers, &path)
            .or_else(|| told_by_setting(manager_url, headers))
            .or_else(|| told_by_proxy(headers))
            .unwrap_or_else(|| format!("http://{}{}", host(uri, headers), prefix(headers)));
        Self { base, path }
    }

    /// Base of all links, without a slash at the end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// URL of this request without its query.
    #[must_use]
    pub fn current(&self) -> String {
        format!("{}{}", self.base, self.path)
    }

    /// Another address of ours, as the same client knows it.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        Self { base: self.base.clone(), path: path.to_owned() }
    }
}

/// How to come from `path` to the root by a relative reference: "./" for `/` and `/volumes`, "../" for `/volumes/data`.
#[must_use]
pub fn way_to_root(path: &str) -> String {
    match path.matches('/').count() {
        0 | 1 => "./".to_owned(),
        slashes => "../".repeat(slashes - 1),
    }
}

/// `X-API-request-url`: the whole URL; the base is what stands before our path.
fn told_by_client(headers: &HeaderMap, path: &str) -> Option<String> {
    let url = first(headers, "x-api-request-url")?;
    let url = url.split(['?', '#']).next()?;
    let authority = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let host = authority.split('/').next()?;
    if !is_authority(host) || !is_path(&authority[host.len()..]) {
        return None;
    }
    let base = url.trim_end_matches('/').strip_suffix(path.trim_end_matches('/'))?;
    // "http://host" must be left whole.
    (base.len() >= url.len() - authority.len() + host.len()).then(|| base.to_owned())
}

/// The setting stands for what a proxy tells of scheme, host and port; the path below which it serves us stays its own.
fn told_by_setting(manager_url: &str, headers: &HeaderMap) -> Option<String> {
    (!manager_url.is_empty()).then(|| format!("{}{}", manager_url.trim_end_matches('/'), prefix(headers)))
}

fn told_by_proxy(headers: &HeaderMap) -> Option<String> {
    let scheme = first(headers, "x-forwarded-proto")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let host = forwarded_host(headers)?;
    let port = first(headers, "x-forwarded-port").and_then(|port| port.parse::<u16>().ok());
    let authority = match port {
        None => host.to_owned(),
        Some(80 | 443) => without_port(host).to_owned(),
        Some(port) => format!("{}:{port}", without_port(host)),
    };
    Some(format!("{scheme}://{authority}{}", prefix(headers)))
}

/// The host that the browser asked for: `X-Forwarded-Host`, else `Host`.
pub(crate) fn forwarded_host(headers: &HeaderMap) -> Option<&str> {
    ["x-forwarded-host", header::HOST.as_str()]
        .into_iter()
        .filter_map(|name| first(headers, name))
        .find(|host| is_authority(host))
}

fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    forwarded_host(headers)
        .or_else(|| uri.authority().map(axum::http::uri::Authority::as_str).filter(|host| is_authority(host)))
        .unwrap_or("localhost")
}

fn prefix(headers: &HeaderMap) -> &str {
    let prefix = first(headers, "x-forwarded-prefix").unwrap_or_default().trim_end_matches('/');
    if prefix.starts_with('/') && !prefix.starts_with("//") && is_path(prefix) { prefix } else { "" }
}

/// First value of a header that proxies append to, comma by comma.
pub(crate) fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
    (!value.is_empty()).then_some(value)
}

/// Host without its port; the colons of an IPv6 address in brackets are no port.
fn without_port(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}

fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'))
}

fn is_path(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.-_~%!$&()*+,;=:@".contains(&b))
}

// === the setting ===

/// The value of `manager-url` while a request is answered. It makes links and nothing else: who sent a request is still
/// judged by the headers alone.
#[derive(Clone)]
struct ManagerUrl(String);

/// Middleware: gives the request the setting's value. Outside of everything that makes links.
pub async fn configure(State(settings): State<Settings>, mut request: Request, next: Next) -> Response {
    let url = settings.text(Name::ManagerUrl);
    if !url.is_empty() {
        request.extensions_mut().insert(ManagerUrl(url));
    }
    next.run(request).await
}

// === impl extractor ===

impl<S: Sync> FromRequestParts<S> for RequestUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // A stream asks a list's handler in the name of its client.
        if let Some(given) = parts.extensions.get::<Self>() {
            return Ok(given.clone());
        }
        let configured = parts.extensions.get::<ManagerUrl>().map_or("", |url| url.0.as_str());
        Ok(Self::with_manager_url(configured, &parts.uri, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str, headers: &[(&'static str, &'static str)]) -> RequestUrl {
        let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        RequestUrl::of(&path.parse().unwrap(), &map)
    }

    #[test]
    fn base_of_links() {
        for (headers, base) in [
            (&[("host", "10.0.0.1:9500")][..], "http://10.0.0.1:9500"),
            (&[("host", "a"), ("x-forwarded-host", "b.example, c")], "http://b.example"),
            (&[("host", "a"), ("x-forwarded-proto", "https")], "https://a"),
            (&[("host", "a:80"), ("x-forwarded-proto", "https"), ("x-forwarded-port", "443")], "https://a"),
            (&[("host", "a:80"), ("x-forwarded-proto", "https"), ("x-forwarded-port", "8443")], "https://a:8443"),
            (&[("host", "[::1]"), ("x-forwarded-proto", "http"), ("x-forwarded-port", "81")], "http://[::1]:81"),
            (&[("host", "a"), ("x-forwarded-prefix", "/storage/")], "http://a/storage"),
            (&[("host", "a"), ("x-forwarded-proto", "https"), ("x-forwarded-prefix", "/s/t")], "https://a/s/t"),
            (&[("host", "a"), ("x-api-request-url", "https://b:1/p/v1/volumes?x=1")], "https://b:1/p"),
            (&[("host", "a"), ("x-api-request-url", "https://b/v1/volumes")], "https://b"),
        ] {
            let url = url("/v1/volumes?y=2", headers);
            assert_eq!(url.base(), base, "{headers:?}");
            assert_eq!(url.current(), format!("{base}/v1/volumes"), "{headers:?}");
        }
    }

    #[test]
    fn the_setting_comes_after_the_client_and_before_proxies() {
        for (headers, base) in [
            (&[("host", "a")][..], "https://b:8443"),
            (&[("host", "a"), ("x-forwarded-proto", "http"), ("x-forwarded-prefix", "/s")], "https://b:8443/s"),
            (&[("host", "a"), ("x-api-request-url", "http://c/v1/volumes")], "http://c"),
        ] {
            let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let url = RequestUrl::with_manager_url("https://b:8443/", &"/v1/volumes".parse().unwrap(), &map);
            assert_eq!(url.base(), base, "{headers:?}");
        }
    }

    #[test]
    fn what_is_no_url_is_ignored() {
        for headers in [
            [("host", "a"), ("x-forwarded-host", "b/<script>")],
            [("host", "a"), ("x-forwarded-proto", "javascript")],
            [("host", "a"), ("x-forwarded-prefix", "//evil.example")],
            [("host", "a"), ("x-forwarded-prefix", "no-slash")],
            [("host", "a"), ("x-forwarded-prefix", "/\"onload=")],
            [("host", "a"), ("x-api-request-url", "https://b/elsewhere")],
            [("host", "a"), ("x-api-request-url", "ftp://b/v1/volumes")],
        ] {
            let base = url("/v1/volumes", &headers).base().to_owned();
            assert_eq!(base, "http://a", "{headers:?}");
        }
    }
}
