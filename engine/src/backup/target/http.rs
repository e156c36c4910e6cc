//! The HTTP client of one object store: its proxies, roots of trust, time limits and retries.
//!
//! `object_store` builds and signs requests; each passes here. An answer is taken whole before it is handed on, so that
//! one that was cut off is asked for again, and a refusal is understood while its words are there. What passes here is
//! bounded: in size by the asker's limit, in time by what a slow line needs for it.

use std::error::Error as _;
use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::{Certificate, Client, NoProxy, Proxy};

use super::answer::{Failure, broken, refused};
use super::credentials::Credentials;
use super::fault::ErrorKind;
use super::foreign;
use crate::backup::store::Settings;

/// TCP and TLS have to be there by then.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes a second on the slowest line that backups make sense on: so much longer than silence may an answer take.
const SLOWEST_LINE: u64 = 64 << 10;
/// A signature is good for 15 minutes; no attempt begins later than this.
const LAST_ATTEMPT: Duration = Duration::from_secs(180);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// A page of a listing: a thousand names of a thousand bytes, and what is said of each.
const LARGEST_ANSWER: u64 = 16 << 20;
/// Of a refusal: S3's have a few hundred bytes, proxies send whole pages.
const LARGEST_REFUSAL: u64 = 64 << 10;

/// How many bytes the asker takes; an extension of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(crate) u64);

/// The way to one object store.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    /// Other hosts are asked for credentials only.
    host: String,
    credentials: Credentials,
    settings: Settings,
}

/// What makes a client; `host` is the object store's.
pub(crate) struct HttpParts<'a> {
    pub(crate) host: String,
    pub(crate) credentials: &'a Credentials,
    /// The name of the credential with certificates to trust beside the system's.
    pub(crate) certificates: &'static str,
    pub(crate) settings: &'a Settings,
}

impl Http {
    pub(crate) fn new(parts: HttpParts<'_>) -> Result<Self, Failure> {
        let HttpParts { host, credentials, certificates, settings } = parts;
        let mut client = Client::builder()
            // Proxies are the target's own: those of this process's environment are for somebody else.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("aurochs/", env!("CARGO_PKG_VERSION")));
        if let Some(bundle) = credentials.get(certificates) {
            let roots = Certificate::from_pem_bundle(bundle.as_bytes()).unwrap_or_default();
            if roots.is_empty() {
                return Err(Failure::new(
                    ErrorKind::Certificate,
                    format!("{certificates} has no PEM certificate in it"),
                )
                .with_next_step(format!(
                    "put the certificate into {certificates} as it is, from -----BEGIN CERTIFICATE----- on"
                )));
            }
            client = roots.into_iter().fold(client, |client, root| client.add_root_certificate(root));
        }
        // Metadata services of clouds are on this machine's own link.
        let mut around = "169.254.169.254,169.254.170.2,169.254.170.23".to_owned();
        if let Some(more) = credentials.get("NO_PROXY") {
            around = format!("{around},{more}");
        }
        for (name, make) in [("HTTP_PROXY", Proxy::http as fn(String) -> _), ("HTTPS_PROXY", Proxy::https)] {
            let Some(proxy) = credentials.get(name) else { continue };
            // The value may hold a password, and the error may hold the value.
            let proxy = make(proxy.to_owned()).map_err(|_| {
                Failure::new(ErrorKind::Other, format!("{name} is no URL of a proxy"))
                    .with_next_step(format!("write {name} like http://proxy.example:3128"))
            })?;
            client = client.proxy(proxy.no_proxy(NoProxy::from_string(&around)));
        }
        let client =
            client.build().map_err(|error| Failure::new(ErrorKind::Other, format!("no HTTP client: {error}")))?;
        Ok(Self { client, host, credentials: credentials.clone(), settings: settings.clone() })
    }

    async fn call_until_it_works(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        let body = body.map_err(|error| Failure::new(ErrorKind::Other, error.to_string()))?;
        // What asks this machine's cloud for credentials has no time: on most machines nothing answers there.
        let retries = if self.is_ours(&parts) { self.settings.retries } else { 0 };
        let begin = Instant::now();
        let mut attempt = 0;
        loop {
            let failure = match self.attempt(&parts, body.clone()).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            if !failure.passing || attempt >= retries || begin.elapsed() > LAST_ATTEMPT {
                return Err(failure.after(attempt));
            }
            let pause = pause_before(attempt);
            tracing::debug!(host = self.host, reason = %failure, ?pause, "a request to a backup target failed; trying again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, parts: &http::request::Parts, body: Bytes) -> Result<HttpResponse, Failure> {
        let upload = body.len() as u64;
        let url = parts.uri.to_string().parse();
        let url = url.map_err(|_| Failure::new(ErrorKind::Other, "the endpoint makes no valid URL".to_owned()))?;
        let mut request = reqwest::Request::new(parts.method.clone(), url);
        *request.headers_mut() = parts.headers.clone();
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        let answered = tokio::time::timeout(self.allowed(upload), self.client.execute(request)).await;
        let answer =
            answered.map_err(|_| too_slow(self.allowed(upload)))?.map_err(|error| broken(&error, &self.credentials))?;
        self.take(parts, answer).await
    }

    async fn take(&self, asked: &http::request::Parts, answer: reqwest::Response) -> Result<HttpResponse, Failure> {
        let status = answer.status();
        let is_good = status.is_success() || status == StatusCode::NOT_MODIFIED;
        let limit = match asked.extensions.get::<Limit>() {
            _ if !is_good => LARGEST_REFUSAL,
            Some(limit) => limit.0,
            None => LARGEST_ANSWER,
        };
        let answer: http::Response<reqwest::Body> = answer.into();
        let (mut parts, body) = answer.into_parts();
        if asked.method == Method::HEAD {
            return if is_good || status == StatusCode::NOT_FOUND {
                Ok(HttpResponse::from_parts(parts, Bytes::new().into()))
            } else {
                Err(refused(status, &parts.headers, b"", &self.credentials))
            };
        }
        let said =
            parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if is_good && said.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        let body = match collect(body, limit, self.settings.patience, self.allowed(said.unwrap_or_default())).await {
            Ok(body) => body,
            // The status says enough.
            Err(_) if !is_good => Bytes::new(),
            Err(Cut::TooLarge) => return Err(too_large(limit)),
            Err(Cut::TooSlow(limit)) => return Err(too_slow(limit)),
            Err(Cut::Broken(error)) => return Err(broken(&error, &self.credentials)),
        };
        if !is_good {
            let failure = refused(status, &parts.headers, &body, &self.credentials);
            // `object_store` makes its own answer of this one.
            if failure.kind == ErrorKind::NotFound && self.is_ours(asked) {
                return Ok(HttpResponse::from_parts(parts, body.into()));
            }
            return Err(failure);
        }
        let body = if foreign::is_listing(&asked.uri) { foreign::without(body) } else { body };
        // Some servers send objects without a length; readers want one.
        parts.headers.remove(header::TRANSFER_ENCODING);
        parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
        Ok(HttpResponse::from_parts(parts, body.into()))
    }

    /// For a request with so many bytes, or for so many in an answer.
    fn allowed(&self, bytes: u64) -> Duration {
        self.settings.patience + Duration::from_secs(bytes / SLOWEST_LINE)
    }

    fn is_ours(&self, asked: &http::request::Parts) -> bool {
        asked.uri.host() == Some(self.host.as_str())
    }
}

/// Why a body did not come whole.
enum Cut {
    TooLarge,
    TooSlow(Duration),
    Broken(reqwest::Error),
}

/// All of a body that is never silent for `patience` and done within `allowed`.
async fn collect(mut body: reqwest::Body, limit: u64, patience: Duration, allowed: Duration) -> Result<Bytes, Cut> {
    let whole = async {
        let mut all = BytesMut::new();
        loop {
            let frame = tokio::time::timeout(patience, body.frame()).await.map_err(|_| Cut::TooSlow(patience))?;
            let Some(frame) = frame else { return Ok(all.freeze()) };
            let Ok(data) = frame.map_err(Cut::Broken)?.into_data() else { continue };
            if (all.len() + data.len()) as u64 > limit {
                return Err(Cut::TooLarge);
            }
            all.extend_from_slice(&data);
        }
    };
    tokio::time::timeout(allowed, whole).await.unwrap_or(Err(Cut::TooSlow(allowed)))
}

fn too_slow(limit: Duration) -> Failure {
    Failure::passing(ErrorKind::Timeout, format!("the server has not answered for {} s", limit.as_secs_f32().round()))
}

fn too_large(limit: u64) -> Failure {
    Failure::new(ErrorKind::Damaged, format!("it is larger than the {limit} bytes that such an object can have"))
}

/// Twice as long each time, and never the same for two who failed together.
fn pause_before(attempt: usize) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
    doubled.mul_f64(rand::random_range(0.5..1.0))
}

impl fmt::Debug for Http {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Http").field("host", &self.host).finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let ours = request.uri().host() == Some(self.host.as_str());
        self.call_until_it_works(request).await.map_err(|failure| {
            let failure = if ours { failure } else { failure.without_credentials() };
            // This kind is never tried again; that was done here.
            HttpError::new(HttpErrorKind::Unknown, failure)
        })
    }
}

impl HttpConnector for Http {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// The failure that this client reported, out of what `object_store` wrapped around it.
pub(crate) fn failure_in(error: &object_store::Error) -> Option<&Failure> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return Some(failure);
        }
        source = error.source();
    }
    None
}
