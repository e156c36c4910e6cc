//! The admission webhook: where the API server asks about what people write ([`crate::admission`]).
//!
//! 1. [`super::authority`] — a secret of the namespace, which all managers share, and the certificate that each makes of it;
//! 2. this file — the answers, over TLS: every manager gives them;
//! 3. [`registration`] — the API server is told where to ask, by the manager whose turn it is.
//!
//! Secret and registration are looked at again every few minutes ([`RESYNC`]), so that what somebody deleted comes back, and all
//! follow a new authority.
//!
//! As with Longhorn the API server takes nothing of what it is to ask about while nobody answers: who can't be judged might be
//! wrong. What the managers write is never asked about, so that they depend on nobody.

mod registration;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use kube::Client;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::authority::{Authority, AuthorityError, Office, Safe, Use};
use super::dynamic::Failed;
use crate::admission::review::{self, Question, Review};
use crate::admission::{Judge, Patch};
use crate::error::{ApiError, ErrorKind};
use crate::web::connections::tls::Tls;
use crate::web::connections::{self, Door, Limits};
pub use registration::Registration;

/// As Longhorn's.
const MUTATION: &str = "/v1/webhook/mutation";
const VALIDATION: &str = "/v1/webhook/validation";
const HEALTH: &str = "/v1/healthz";
/// Where it is, as a service of the cluster.
const SERVICE: &str = "longhorn-admission-webhook";
const PORT: u16 = 9502;
/// The API server waits this long for an answer …
const PATIENCE_SECONDS: u8 = 10;
/// … and gets one before that: it then says why.
const JUDGING_LONGEST: Duration = Duration::from_secs(8);
/// Twice the largest object of an API server.
const QUESTION_MAXIMUM_BYTES: usize = 4 << 20;
/// A certificate is made anew after this, at the latest; it is good for a year.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Authority and registration are looked at again after this long.
const RESYNC: Duration = Duration::from_secs(240);
/// Who vouches for it; the secret has Longhorn's name.
const OFFICE: Office = Office { secret: "longhorn-webhook-ca", name: "Aurochs admission webhook" };
/// Below the data directory.
const DIRECTORY: &str = "webhook";

/// Where the webhook is.
#[derive(Clone, Debug)]
pub struct Place {
    pub address: SocketAddr,
    /// What the API server is told; `None` for the service of the chart.
    pub url: Option<String>,
}

/// Why there is no webhook.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("the webhook can't listen on {address}: {source}; choose another address with --webhook-address")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Server(#[from] Failed),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("the webhook's certificate can't be written to {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Tls(#[from] aurochs_engine::frontend::nbd::TlsError),
}

/// A webhook that listens and does not answer yet.
pub struct Webhook {
    listener: TcpListener,
    safe: Safe,
    authority: Authority,
    names: Vec<String>,
    directory: PathBuf,
}

impl Webhook {
    /// Binds the address, and finds or makes the authority.
    pub async fn open(client: &Client, namespace: &str, place: &Place, data: &Path) -> Result<Self, WebhookError> {
        let address = place.address;
        let listener = TcpListener::bind(address).await.map_err(|source| WebhookError::Listen { address, source })?;
        let safe = Safe::of(client, namespace, OFFICE);
        let authority = safe.open().await?;
        let names = names(namespace, place.url.as_deref());
        let directory = data.join(DIRECTORY);
        write_certificate(&authority, &names, &directory)?;
        Ok(Self { listener, safe, authority, names, directory })
    }

    /// What the API server is to be told.
    #[must_use]
    pub fn registration(&self, client: &Client, namespace: &str, place: &Place) -> Registration {
        Registration::new(client.clone(), namespace, place.url.clone(), self.safe.clone())
    }

    /// Answers until the tasks are aborted.
    pub fn serve(self, judge: Judge) -> Result<Vec<JoinHandle<()>>, WebhookError> {
        let tls = Tls::open(self.directory.join(CERTIFICATE), self.directory.join(KEY))?;
        let Self { listener, safe, authority, names, directory } = self;
        let door = Door { listener, tls: Some(tls), limits: Limits::default() };
        let serving = connections::serve(door, service(judge), |_| false, std::future::pending());
        let renewing = keep_certificate(safe, authority, names, directory);
        Ok(vec![tokio::spawn(serving), tokio::spawn(renewing)])
    }
}

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Who serves reads the files again when they have changed.
async fn keep_certificate(safe: Safe, mut authority: Authority, names: Vec<String>, directory: PathBuf) {
    let mut made = Instant::now();
    loop {
        tokio::time::sleep(RESYNC).await;
        let kept = async {
            let now = safe.open().await?;
            if now == authority && made.elapsed() < RENEWAL {
                return Ok(());
            }
            write_certificate(&now, &names, &directory)?;
            (authority, made) = (now, Instant::now());
            Ok::<(), WebhookError>(())
        };
        if let Err(error) = kept.await {
            tracing::error!(%error, "the webhook's certificate stays as it was");
        }
    }
}

fn write_certificate(authority: &Authority, names: &[String], directory: &Path) -> Result<(), WebhookError> {
    use std::os::unix::fs::DirBuilderExt;
    let (certificate, key) = authority.certificate(names, Use::Server)?;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| WebhookError::Write { path: directory.to_owned(), source })?;
    for (name, text) in [(KEY, key), (CERTIFICATE, certificate)] {
        let path = directory.join(name);
        crate::private_file::write(&path, &text, None).map_err(|source| WebhookError::Write { path, source })?;
    }
    Ok(())
}

/// What the API server calls the webhook: the service, or the host of an address that it was told.
fn names(namespace: &str, url: Option<&str>) -> Vec<String> {
    let host = url.and_then(|url| url.parse::<http::Uri>().ok()).and_then(|url| url.host().map(str::to_owned));
    let own = [
        SERVICE.to_owned(),
        format!("{SERVICE}.{namespace}"),
        format!("{SERVICE}.{namespace}.svc"),
        format!("{SERVICE}.{namespace}.svc.cluster.local"),
    ];
    own.into_iter().chain(host.map(|host| host.trim_matches(['[', ']']).to_owned())).collect()
}

fn service(judge: Judge) -> Router {
    Router::new()
        .route(MUTATION, post(mutation))
        .route(VALIDATION, post(validation))
        .route(HEALTH, get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(QUESTION_MAXIMUM_BYTES))
        .with_state(judge)
}

async fn mutation(State(judge): State<Judge>, Json(Review { request }): Json<Review>) -> Json<Value> {
    let judged = in_time(judge.complete(&request)).await;
    told("completed", &request, &judged)
}

async fn validation(State(judge): State<Judge>, Json(Review { request }): Json<Review>) -> Json<Value> {
    let judged = in_time(judge.check(&request)).await.map(|()| Patch::new());
    told("taken", &request, &judged)
}

async fn in_time<T>(judging: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    tokio::time::timeout(JUDGING_LONGEST, judging).await.unwrap_or_else(|_| {
        let message = format_args!("the manager could not judge it within {} s", JUDGING_LONGEST.as_secs());
        Err(ApiError::new(ErrorKind::Timeout, message, "Try again; a backup target may be slow."))
    })
}

fn told(what: &str, question: &Question, judged: &Result<Patch, ApiError>) -> Json<Value> {
    let named = if question.object.is_null() { &question.old_object } else { &question.object };
    let (kind, name) = (question.resource.resource.as_str(), named["metadata"]["name"].as_str().unwrap_or_default());
    match judged {
        Ok(patch) => tracing::debug!(kind, name, operation = ?question.operation, changes = patch.len(), "{what}"),
        Err(error) => {
            tracing::info!(kind, name, operation = ?question.operation, reason = error.message, "not {what}");
        }
    }
    Json(review::answer(&question.uid, judged))
}
