//! Control records in the API server of a cluster: `status.controlRecord` of the Volume.
//!
//! It is the volume's and not its engine's, since engines are made and deleted while the record has to stay. A change names the
//! version of the Volume that it was judged by (`resourceVersion`), and the API server refuses it when that is not the present
//! one any more. Others write on the same object all the time, so that a refusal proves nothing: it is read and judged again.

use std::error::Error as _;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aurochs_api::ids::VolumeName;
use reqwest::{Certificate, Client, Identity, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::async_trait;

use super::access::{self, Access, Stamp};
use super::{Records, judge};
use crate::volume::record::{Epoch, Generation, KeeperError, Record};

/// For one question with all its requests. Shorter than an engine waits for its instance manager, so that it hears why.
const PATIENCE: Duration = Duration::from_secs(4);
/// Refusals in a row of one change. Others write on a volume some times a second at most.
const ATTEMPTS_MAXIMUM: u32 = 10;
/// A word of the API server's, of which people see no more than this.
const COMPLAINT_MAXIMUM: usize = 300;

/// See the module.
pub struct ApiServerRecords {
    /// The file of the [`Access`].
    file: PathBuf,
    way: Mutex<Option<(Stamp, Arc<Way>)>>,
    /// Since when nothing was answered.
    silent_since: Mutex<Option<jiff::Timestamp>>,
}

struct Way {
    access: Access,
    client: Client,
}

/// Of a Volume no more than what counts here.
#[derive(Deserialize)]
struct Seen {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    uid: String,
    resource_version: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    control_record: Option<Record>,
}

impl ApiServerRecords {
    /// `file` need not be there yet.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), way: Mutex::default(), silent_since: Mutex::default() }
    }

    /// The way to the API server, made anew when the file has been replaced.
    fn way(&self) -> Result<Arc<Way>, KeeperError> {
        let unusable = |why: String| {
            KeeperError::Unavailable(format!(
                "the file {} does not say how the Kubernetes API server is reached: {why}; the manager of this node writes it \
                 when it starts",
                self.file.display()
            ))
        };
        let stamp = access::stamp(&self.file).map_err(|error| unusable(error.to_string()))?;
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        match &*way {
            Some((known, way)) if *known == stamp => Ok(Arc::clone(way)),
            _ => {
                let access = Access::read(&self.file).map_err(|error| unusable(error.to_string()))?;
                let client = client(&access).map_err(|error| unusable(chain(&error)))?;
                let made = Arc::new(Way { access, client });
                *way = Some((stamp, Arc::clone(&made)));
                Ok(made)
            }
        }
    }

    /// Carries a question out in time.
    async fn asked<T>(&self, question: impl Future<Output = Result<T, KeeperError>> + Send) -> Result<T, KeeperError> {
        let silent = || Err(self.silent(&format!("no answer within {} s", PATIENCE.as_secs())));
        tokio::time::timeout(PATIENCE, question).await.unwrap_or_else(|_| silent())
    }

    fn silent(&self, why: &str) -> KeeperError {
        let mut since = self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *since.get_or_insert_with(jiff::Timestamp::now);
        KeeperError::Unavailable(format!("the Kubernetes API server does not answer since {since:.0}: {why}"))
    }

    /// Sends a request; `None` for what is not there. `Ok(Err)` is a version that is not the present one.
    async fn send(&self, request: RequestBuilder) -> Result<Option<Result<Seen, ()>>, KeeperError> {
        let answer = request.send().await.map_err(|error| self.silent(&chain(&error.without_url())))?;
        let status = answer.status();
        // Also where it has too much to do, or can't reach its own store.
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.silent(&format!("{status}: {}", complaint(answer).await)));
        }
        *self.silent_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::CONFLICT => Ok(Some(Err(()))),
            status if status.is_success() => {
                let seen = answer.json::<Seen>().await.map_err(|error| self.silent(&chain(&error.without_url())))?;
                Ok(Some(Ok(seen)))
            }
            status => Err(KeeperError::Unavailable(format!(
                "the Kubernetes API server refuses it ({status}): {}; the account has to be allowed to get volumes and to patch \
                 volumes/status of longhorn.io",
                complaint(answer).await
            ))),
        }
    }

    async fn read(&self, way: &Way, volume: &str) -> Result<Option<Seen>, KeeperError> {
        match self.send(way.request(Method::GET, volume, "")?).await? {
            Some(Ok(seen)) => Ok(Some(seen)),
            Some(Err(())) | None => Ok(None),
        }
    }

    /// False when the version is not the present one any more.
    async fn write(&self, way: &Way, volume: &str, seen: &Metadata, record: Value) -> Result<bool, KeeperError> {
        let body = json!({
            "metadata": {"resourceVersion": seen.resource_version, "uid": seen.uid},
            "status": {"controlRecord": record},
        });
        let request = way.request(Method::PATCH, volume, "/status")?;
        let request = request.header("content-type", "application/merge-patch+json").body(body.to_string());
        match self.send(request).await? {
            Some(written) => Ok(written.is_ok()),
            None => Err(KeeperError::Missing(volume.to_owned())),
        }
    }
}

#[async_trait]
impl Records for ApiServerRecords {
    async fn get(&self, volume: &str) -> Result<Option<Record>, KeeperError> {
        let way = self.way()?;
        let seen = self.asked(self.read(&way, volume)).await?;
        Ok(seen.and_then(|seen| seen.status.control_record))
    }

    async fn compare_and_set(
        &self,
        epoch: Epoch,
        generation: Generation,
        next: &Record,
    ) -> Result<Record, KeeperError> {
        let (way, volume) = (self.way()?, next.volume.as_str());
        let change = async {
            for _ in 0..ATTEMPTS_MAXIMUM {
                let seen = self.read(&way, volume).await?;
                let seen = seen.ok_or_else(|| KeeperError::Missing(volume.to_owned()))?;
                let next = judge(seen.status.control_record, epoch, generation, next)?;
                if self.write(&way, volume, &seen.metadata, json!(next)).await? {
                    return Ok(next);
                }
            }
            Err(KeeperError::Unavailable(format!("somebody writes on volume {volume} in the cluster all the time")))
        };
        self.asked(change).await
    }

    async fn delete(&self, volume: &str) -> Result<(), KeeperError> {
        let way = self.way()?;
        let removal = async {
            for _ in 0..ATTEMPTS_MAXIMUM {
                // It went with its volume.
                let Some(seen) = self.read(&way, volume).await? else { return Ok(()) };
                if seen.status.control_record.is_none() {
                    return Ok(());
                }
                match self.write(&way, volume, &seen.metadata, Value::Null).await {
                    Ok(true) | Err(KeeperError::Missing(_)) => return Ok(()),
                    Ok(false) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(KeeperError::Unavailable(format!("somebody writes on volume {volume} in the cluster all the time")))
        };
        self.asked(removal).await
    }

    fn word(&self) -> &'static str {
        "api-server"
    }
}

impl Way {
    fn request(&self, method: Method, volume: &str, below: &str) -> Result<RequestBuilder, KeeperError> {
        // The name becomes a part of the address, whoever sent it.
        let name: VolumeName = volume.parse().map_err(|error| KeeperError::Unavailable(format!("{error}")))?;
        let Access { url, namespace, token_file, .. } = &self.access;
        let url = url.trim_end_matches('/');
        let address = format!("{url}/apis/longhorn.io/v1beta2/namespaces/{namespace}/volumes/{name}{below}");
        let unreadable = |error: std::io::Error| {
            let path = token_file.as_deref().unwrap_or(Path::new("")).display().to_string();
            KeeperError::Unavailable(format!("cannot read the token for the Kubernetes API server {path}: {error}"))
        };
        let request = self.client.request(method, address).header("accept", "application/json");
        let bearer = self.access.bearer().map_err(unreadable)?;
        Ok(if bearer.is_empty() { request } else { request.bearer_auth(bearer) })
    }
}

fn client(access: &Access) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder().use_rustls_tls().timeout(PATIENCE).no_proxy();
    if !access.authority.is_empty() {
        builder = builder.tls_built_in_root_certs(false);
        for certificate in Certificate::from_pem_bundle(access.authority.as_bytes())? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if !access.certificate.is_empty() {
        builder = builder.identity(Identity::from_pem(format!("{}\n{}", access.certificate, access.key).as_bytes())?);
    }
    builder.build()
}

/// What the API server says in its own words.
async fn complaint(answer: reqwest::Response) -> String {
    let said: Value = answer.json().await.unwrap_or_default();
    let message = said["message"].as_str().unwrap_or("it does not say why");
    message.chars().take(COMPLAINT_MAXIMUM).collect()
}

/// An error with all that it came from.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
