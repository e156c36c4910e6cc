//! An image from a web server.
//!
//! A connection that breaks is gone on with where it broke, as long as the server says that it is still the same file
//! (`Range` with `If-Range`); else the file is fetched from its beginning. Proxies are those of the environment
//! (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`).
//!
//! What the server says is not trusted: a redirect never leads from the network to this machine, nor from https to http.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode, Url};

use super::progress::Progress;
use super::sink::{Sink, Written};
use super::{ImageError, Place};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A server that sends nothing for so long has forgotten us.
const SILENCE_MAXIMUM: Duration = Duration::from_secs(60);
const REDIRECTS_MAXIMUM: usize = 10;
/// Attempts in a row that got nothing.
const ATTEMPTS_MAXIMUM: u32 = 5;
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_LONGEST: Duration = Duration::from_secs(20);

/// Fetches the file into `backing.tmp`.
pub(super) async fn run(url: &str, place: &Place, progress: &Progress) -> Result<Written, ImageError> {
    let url = parse(url)?;
    let client = client(&url)?;
    let mut fetch =
        Fetch { client, url, place, progress, same: None, sink: Sink::create(&place.unfinished(), progress) };
    let (mut failed, mut pause) = (0, PAUSE_FIRST);
    loop {
        let before = fetch.sink.length();
        let cause = match fetch.attempt().await {
            Ok(()) => return fetch.sink.finish().await,
            Err(Broken::ForGood(error)) => return Err(error),
            Err(Broken::Connection(cause)) => cause,
        };
        if fetch.sink.length() > before {
            (failed, pause) = (0, PAUSE_FIRST);
        }
        failed += 1;
        if failed == ATTEMPTS_MAXIMUM {
            let message = format!("{cause}; given up after {ATTEMPTS_MAXIMUM} attempts that got no further");
            return Err(ImageError::Source(message));
        }
        tracing::warn!(image = place.name(), cause, "a download broke; trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

/// A URL that can be fetched.
fn parse(url: &str) -> Result<Url, ImageError> {
    // The URL itself may hold a password: it is not repeated.
    let parsed = Url::parse(url).map_err(|error| ImageError::Source(format!("its URL can't be used: {error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
        return Err(ImageError::Source("its URL has to begin with http:// or https:// and name a host".to_owned()));
    }
    Ok(parsed)
}

fn client(url: &Url) -> Result<Client, ImageError> {
    let begins_here = is_this_machine(url);
    let builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_MAXIMUM)
        .redirect(Policy::custom(move |attempt| redirect(attempt, begins_here)))
        .user_agent(concat!("aurochs/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(|error| ImageError::Source(format!("no connection can be made: {error}")))
}

fn redirect(attempt: Attempt<'_>, begins_here: bool) -> reqwest::redirect::Action {
    let from_https = attempt.previous().last().is_some_and(|from| from.scheme() == "https");
    if attempt.previous().len() > REDIRECTS_MAXIMUM {
        return attempt.error("it redirects too often");
    }
    if from_https && attempt.url().scheme() != "https" {
        return attempt.error("it redirects from https to what anybody can read and change");
    }
    if !begins_here && is_this_machine(attempt.url()) {
        return attempt.error("it redirects to an address of this machine or its surroundings");
    }
    attempt.follow()
}

/// Loopback, link-local (where clouds keep their secrets) and unspecified addresses.
fn is_this_machine(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return true };
    if host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost") {
        return true;
    }
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified(),
        Err(_) => false,
    }
}

struct Fetch<'run> {
    client: Client,
    url: Url,
    place: &'run Place,
    progress: &'run Progress,
    /// What says that the file is still the one of which a part is here.
    same: Option<HeaderValue>,
    sink: Sink,
}

/// Why an attempt ended.
enum Broken {
    /// Another attempt may get further.
    Connection(String),
    /// No attempt will.
    ForGood(ImageError),
}

impl From<ImageError> for Broken {
    fn from(error: ImageError) -> Self {
        Self::ForGood(error)
    }
}

impl Fetch<'_> {
    async fn attempt(&mut self) -> Result<(), Broken> {
        let mut response = self.ask().await?;
        let total = response.content_length().map(|length| self.sink.length() + length);
        if let Some(total) = total {
            self.progress.plan(total);
            check_room(self.place, total, self.sink.length())?;
        }
        while let Some(data) = response.chunk().await.map_err(|error| self.connection("broke", &error))? {
            self.sink.write(data).await?;
        }
        match total {
            Some(total) if total != self.sink.length() => {
                let told = format!("{} sent {} of {total} bytes", self.host(), self.sink.length());
                Err(Broken::Connection(told))
            }
            _ => Ok(()),
        }
    }

    /// An answer whose body goes on where the sink is.
    async fn ask(&mut self) -> Result<Response, Broken> {
        let mut request = self.client.get(self.url.clone()).header(header::ACCEPT_ENCODING, "identity");
        let from = self.sink.length();
        match &self.same {
            Some(same) if from > 0 => {
                request = request.header(header::RANGE, format!("bytes={from}-")).header(header::IF_RANGE, same);
            }
            _ => self.sink.restart().await?,
        }
        let response = request.send().await.map_err(|error| self.connection("can't be reached", &error))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if self.sink.length() > 0 && begins_at(response.headers(), from) => {}
            StatusCode::OK => {
                self.same = validator(response.headers());
                self.sink.restart().await?;
            }
            status => return Err(self.refusal(status).await),
        }
        Ok(response)
    }

    async fn refusal(&mut self, status: StatusCode) -> Broken {
        // A part that the server does not know any more is fetched anew.
        self.same = None;
        let message = format!("{} answered {status}", self.host());
        let may_pass = status.is_server_error()
            || status.is_success()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::RANGE_NOT_SATISFIABLE
            );
        match may_pass {
            true => Broken::Connection(message),
            false => Broken::ForGood(ImageError::Source(format!("{message}; look whether the URL is right"))),
        }
    }

    fn connection(&self, what: &str, error: &reqwest::Error) -> Broken {
        let message = format!("{} {what}: {}", self.host(), chain(error));
        if error.is_redirect() { Broken::ForGood(ImageError::Source(message)) } else { Broken::Connection(message) }
    }

    /// The rest of the URL may be a secret.
    fn host(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.url.host_str().unwrap_or_default())
    }
}

/// Whether a partial answer goes on at this byte.
fn begins_at(headers: &HeaderMap, from: u64) -> bool {
    let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    range.strip_prefix("bytes ").and_then(|range| range.split_once('-')).is_some_and(|(at, _)| at.parse() == Ok(from))
}

/// A strong entity tag, or else the time: a weak tag may be that of other bytes.
fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let strong = headers.get(header::ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    strong.or_else(|| headers.get(header::LAST_MODIFIED)).cloned()
}

/// Said before the disk is full, which every volume on it would feel.
pub(super) fn check_room(place: &Place, wanted: u64, there: u64) -> Result<(), ImageError> {
    let path: &Path = place.disk();
    let figures =
        nix::sys::statvfs::statvfs(path).map_err(|errno| ImageError::at("ask the size of", path)(errno.into()))?;
    let available = figures.blocks_available() * figures.fragment_size();
    if wanted.saturating_sub(there) > available {
        return Err(ImageError::TooLarge { wanted, available, path: path.to_path_buf() });
    }
    Ok(())
}

/// The whole reason, without the URL: libraries keep what matters at its end.
fn chain(error: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(error);
    let mut told = Vec::new();
    while let Some(next) = source {
        told.push(next.to_string());
        source = next.source();
    }
    match told.last() {
        Some(last) => last.clone(),
        None if error.is_timeout() => "it sent nothing for too long".to_owned(),
        None => "the connection failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_fetched_and_secrets_in_them_not_told() {
        for url in ["file:///etc/shadow", "ftp://a/b", "nothing", "http://", "https://u:hunter2@"] {
            let told = parse(url).unwrap_err().to_string();
            assert!(!told.contains("hunter2"), "{told}");
        }
        parse("https://u:p@cloud.example/debian.qcow2?token=x").unwrap();
    }

    #[test]
    fn this_machine_has_many_names() {
        for (url, expected) in [
            ("http://127.0.0.1:8000/a", true),
            ("http://LOCALHOST/a", true),
            ("http://a.localhost/", true),
            ("http://[::1]/", true),
            ("http://169.254.169.254/latest/meta-data", true),
            ("http://0.0.0.0/", true),
            ("https://cloud.example/a", false),
            ("http://10.0.0.1/a", false),
        ] {
            assert_eq!(is_this_machine(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_part_counts_where_it_begins() {
        let headers = |range: &str| HeaderMap::from_iter([(header::CONTENT_RANGE, range.parse().unwrap())]);
        assert!(begins_at(&headers("bytes 5-9/10"), 5));
        assert!(!begins_at(&headers("bytes 4-9/10"), 5));
        assert!(!begins_at(&headers("bytes */10"), 5));
        assert!(!begins_at(&HeaderMap::new(), 0));
    }
}
