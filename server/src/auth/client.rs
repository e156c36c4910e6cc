//! Where a request comes from: the client's address, and whether another site's page sent it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::web::connections::Encrypted;
use crate::web::limits::REQUEST_ID;
use crate::web::request_url::{first, forwarded_host};

/// Who is at the other end, for as much as is to be believed. The guard puts it into every request.
///
/// What a proxy says of others (`X-Forwarded-For`, `-Proto`, `-Host`) is believed only from those that whoever started
/// the manager named; without them the other end of the connection is the client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// What logins, requests and changes are put down to.
    pub(crate) address: IpAddr,
    /// The browser came over TLS.
    pub(crate) is_encrypted: bool,
    /// The request's id in the log.
    pub(crate) request: String,
    /// Its headers come from a proxy that is believed.
    by_proxy: bool,
}

impl Client {
    pub(crate) fn of(parts: &Parts, trusted: impl Fn(IpAddr) -> bool) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        let by_proxy = peer.is_some_and(trusted);
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let headers = &parts.headers;
        let told_encrypted = by_proxy && first(headers, "x-forwarded-proto") == Some("https");
        let request = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        Self {
            address: if by_proxy { forwarded_for(headers).unwrap_or(peer) } else { peer },
            is_encrypted: told_encrypted || parts.extensions.get::<Encrypted>().is_some(),
            request: request.to_owned(),
            by_proxy,
        }
    }
}

/// The last value of `X-Forwarded-For`: that one was written by the proxy, the others by anyone.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

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
pub(crate) fn sender(headers: &HeaderMap, client: &Client) -> Sender {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return Sender::SameOrigin,
        Some(_) => return Sender::Foreign,
        None => {}
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return Sender::Unknown };
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let own = if client.by_proxy { forwarded_host(headers) } else { text(header::HOST.as_str()) };
    if host.is_some() && host == own { Sender::SameOrigin } else { Sender::Foreign }
}

/// A header that a page of another origin can't send without asking us first, and we never say yes.
pub(crate) fn has_own_header(headers: &HeaderMap) -> bool {
    headers.contains_key("x-requested-with")
}

#[cfg(test)]
mod tests {
    use super::super::proxies::Proxies;
    use super::*;
    use axum::http::HeaderName;

    /// A client with these headers, whose connection comes from there.
    fn client_at(peer: &str, headers: &[(&'static str, &'static str)]) -> (Client, HeaderMap) {
        let proxies: Proxies = ["10.0.0.0/24", "127.0.0.1"].map(|text| text.parse().unwrap()).into_iter().collect();
        let mut request = axum::http::Request::new(());
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        request
            .headers_mut()
            .extend(headers.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())));
        let parts = request.into_parts().0;
        (Client::of(&parts, |peer| proxies.trust(peer)), parts.headers)
    }

    fn sender_of(headers: &[(&'static str, &'static str)]) -> Sender {
        let (client, headers) = client_at("8.8.8.8:1", headers);
        sender(&headers, &client)
    }

    #[test]
    fn who_sent_it() {
        assert_eq!(sender_of(&[("host", "a:1")]), Sender::Unknown);
        assert_eq!(sender_of(&[("sec-fetch-site", "same-origin"), ("origin", "http://proxied")]), Sender::SameOrigin);
        assert_eq!(sender_of(&[("sec-fetch-site", "same-site")]), Sender::Foreign);
        assert_eq!(sender_of(&[("host", "a:1"), ("origin", "http://a:1")]), Sender::SameOrigin);
        assert_eq!(sender_of(&[("host", "a:1"), ("origin", "http://a:2")]), Sender::Foreign);
        assert_eq!(sender_of(&[("host", "a"), ("origin", "null")]), Sender::Foreign);
        let forwarded = [("host", "pod"), ("x-forwarded-host", "a"), ("origin", "https://a")];
        assert_eq!(sender_of(&forwarded), Sender::Foreign, "anybody can say so");
        let (client, headers) = client_at("10.0.0.9:1", &forwarded);
        assert_eq!(sender(&headers, &client), Sender::SameOrigin);
    }

    #[test]
    fn addresses() {
        for (peer, forwarded, wanted) in [
            ("10.0.0.9:1", "1.1.1.1, 2.2.2.2", "2.2.2.2"),
            ("10.0.0.9:1", "nonsense", "10.0.0.9"),
            ("10.0.0.9:1", "", "10.0.0.9"),
            ("10.0.1.9:1", "1.1.1.1", "10.0.1.9"),
            ("8.8.8.8:1", "1.1.1.1", "8.8.8.8"),
            ("[::ffff:127.0.0.1]:1", "2001:db8::1", "2001:db8::1"),
            ("10.0.0.9:1", "::ffff:1.2.3.4", "1.2.3.4"),
        ] {
            let (client, _) = client_at(peer, &[("x-forwarded-for", forwarded)]);
            assert_eq!(client.address, wanted.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn only_a_named_proxy_makes_it_encrypted() {
        let headers = [("x-forwarded-proto", "https")];
        assert!(client_at("10.0.0.9:1", &headers).0.is_encrypted);
        assert!(!client_at("8.8.8.8:1", &headers).0.is_encrypted);
        assert!(!client_at("10.0.0.9:1", &[]).0.is_encrypted);
    }
}
