//! The webhook's own address: API servers' questions and kubelet's, whether this manager is ready, and nothing else of the API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::{Cluster, change};
use super::certificate::Certificate;
use super::{MUTATION, RESYNC, SECRET, VALIDATION, read, secrets};
use crate::admission::Judge;
use crate::admission::review::{Review, answer};
use crate::private_file;
use crate::web::connections::tls::Tls;
use crate::web::connections::{self, Door, Limits};

/// An object of Kubernetes has 1.5 MiB at most, and a question has it twice.
const BODY_LIMIT_BYTES: usize = 8 << 20;
/// Pause after the certificate could not be had.
const PAUSE: Duration = Duration::from_secs(5);
const CERTIFICATE_FILE: &str = "webhook.crt";
const KEY_FILE: &str = "webhook.key";

/// Serves at the listener until the task is aborted: as soon as the manager that acts has made a certificate. `directory` gets
/// the certificate and its key.
pub fn start(cluster: &Cluster, directory: &Path, listener: TcpListener, judge: Judge) -> JoinHandle<()> {
    let (cluster, files) = (cluster.clone(), Files::in_directory(directory));
    tokio::spawn(async move {
        let version = files.first(&cluster).await;
        let tls = match Tls::open(files.certificate.clone(), files.key.clone()) {
            Ok(tls) => tls,
            Err(error) => return tracing::error!(%error, "the admission webhook can't be served"),
        };
        let door = Door { listener, tls: Some(tls), limits: Limits::default() };
        let serving = connections::serve(door, service(judge), |_| false, std::future::pending());
        tokio::join!(serving, files.follow(&cluster, version));
    })
}

/// What is answered.
pub(super) fn service(judge: Judge) -> Router {
    Router::new()
        .route("/v1/healthz", get(|| async { "ok" }))
        .route(MUTATION, post(mutate))
        .route(VALIDATION, post(validate))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .with_state(judge)
}

async fn mutate(State(judge): State<Judge>, Json(review): Json<Review>) -> Json<Value> {
    let judged = judge.complete(&review.request).await;
    Json(answer(&review.request.uid, &judged))
}

async fn validate(State(judge): State<Judge>, Json(review): Json<Review>) -> Json<Value> {
    let judged = judge.check(&review.request).await.map(|()| Vec::new());
    Json(answer(&review.request.uid, &judged))
}

/// Where the certificate lies; [`Tls`] notices when it is replaced.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn in_directory(directory: &Path) -> Self {
        Self { certificate: directory.join(CERTIFICATE_FILE), key: directory.join(KEY_FILE) }
    }

    /// Returns when there is a certificate; answers with the version of its Secret.
    async fn first(&self, cluster: &Cluster) -> String {
        loop {
            match read(cluster).await {
                Ok((secret, version)) => {
                    if secret.as_ref().and_then(Certificate::read).is_some_and(|certificate| self.write(&certificate)) {
                        return version;
                    }
                    change::wait_for_one(&secrets(cluster), SECRET, &version, RESYNC).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "the admission webhook waits for its certificate");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn follow(&self, cluster: &Cluster, mut version: String) {
        loop {
            change::wait_for_one(&secrets(cluster), SECRET, &version, RESYNC).await;
            match read(cluster).await {
                Ok((secret, read)) => {
                    version = read;
                    if let Some(certificate) = secret.as_ref().and_then(Certificate::read) {
                        self.write(&certificate);
                    }
                }
                Err(error) => tracing::warn!(%error, "the admission webhook's certificate stays as it was"),
            }
        }
    }

    /// Whether it is there now. The same is not written again.
    fn write(&self, certificate: &Certificate) -> bool {
        let parts = [(&self.key, &certificate.key), (&self.certificate, &certificate.certificate)];
        for (path, text) in parts {
            if std::fs::read_to_string(path).is_ok_and(|there| there == *text) {
                continue;
            }
            if let Err(error) = private_file::write(path, text, None) {
                tracing::error!(%error, path = %path.display(), "the admission webhook's certificate can't be written");
                return false;
            }
        }
        true
    }
}
