//! Where a request comes from: the client's address, and whether another site's page sent it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::web::request_url::forwarded_host;

/// What the browser says about who sent the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Our own page.
    SameOrigin,
    /// A page of another origin.
    Foreign,
    /// The request does not say: no browser, or an old one.
    Unknown,
}

/// Reads `Sec-Fetch-Site`, which no page can forge, and `Origin` where that is missing.
pub(crate) fn sender(headers: &HeaderMap) -> Sender {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return Sender::SameOrigin,
        Some(_) => return Sender::Foreign,
        None => {}
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return Sender::Unknown };
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    if host.is_some() && host == forwarded_host(headers) { Sender::SameOrigin } else { Sender::Foreign }
}

/// A header that a page of another origin can't send without asking us first, and we never say yes.
pub(crate) fn has_own_header(headers: &HeaderMap) -> bool {
    headers.contains_key("x-requested-with")
}

/// The address that wrong passwords are counted for.
///
/// `X-Forwarded-For` is believed only from a proxy that whoever started the manager trusts, and there only its last
/// value: that one was written by the proxy, the others by anyone.
pub(crate) fn address(parts: &Parts, trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let Some(peer) = peer else { return IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    if !trusted(peer) {
        return peer;
    }
    let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    forwarded.and_then(|value| value.rsplit(',').next()?.trim().parse().ok()).unwrap_or(peer)
}

/// Whether the browser came over TLS, as far as the proxy tells.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    crate::web::request_url::first(headers, "x-forwarded-proto") == Some("https")
}

#[cfg(test)]
mod tests {
    use super::super::proxies::Proxies;
    use super::*;

    fn sender_of(headers: &[(&'static str, &'static str)]) -> Sender {
        sender(&headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
    }

    #[test]
    fn who_sent_it() {
        assert_eq!(sender_of(&[("host", "a:1")]), Sender::Unknown);
        assert_eq!(sender_of(&[("sec-fetch-site", "same-origin"), ("origin", "http://proxied")]), Sender::SameOrigin);
        assert_eq!(sender_of(&[("sec-fetch-site", "same-site")]), Sender::Foreign);
        assert_eq!(sender_of(&[("host", "a:1"), ("origin", "http://a:1")]), Sender::SameOrigin);
        assert_eq!(sender_of(&[("host", "a:1"), ("origin", "http://a:2")]), Sender::Foreign);
        assert_eq!(sender_of(&[("host", "a"), ("origin", "null")]), Sender::Foreign);
        assert_eq!(
            sender_of(&[("host", "pod"), ("x-forwarded-host", "a"), ("origin", "https://a")]),
            Sender::SameOrigin
        );
    }

    #[test]
    fn addresses() {
        let proxies: Proxies = ["10.0.0.0/24", "127.0.0.1"].map(|text| text.parse().unwrap()).into_iter().collect();
        for (peer, forwarded, wanted) in [
            ("10.0.0.9:1", Some("1.1.1.1, 2.2.2.2"), "2.2.2.2"),
            ("10.0.0.9:1", Some("nonsense"), "10.0.0.9"),
            ("10.0.0.9:1", None, "10.0.0.9"),
            ("10.0.1.9:1", Some("1.1.1.1"), "10.0.1.9"),
            ("8.8.8.8:1", Some("1.1.1.1"), "8.8.8.8"),
            ("[::ffff:127.0.0.1]:1", Some("2001:db8::1"), "2001:db8::1"),
        ] {
            let mut request = axum::http::Request::new(());
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
            if let Some(forwarded) = forwarded {
                request.headers_mut().insert("x-forwarded-for", forwarded.parse().unwrap());
            }
            let found = address(&request.into_parts().0, |peer| proxies.trust(peer));
            assert_eq!(found, wanted.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
    }
}
