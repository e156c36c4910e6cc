//! Requests to the API server: how long one is waited for, what its refusals mean, which are sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Request};
use kube::Client;
use kube::core::Status;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::super::RawError;

/// An answer that takes longer counts as none. The API server itself gives up after a minute.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
/// Requests under way at the same time. More would wait in the API server, which has other clients too.
const REQUESTS_AT_ONCE: usize = 32;
/// Pauses before a request is sent again: an API server that is started again needs some seconds.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1500),
    Duration::from_secs(3),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// The way to the API server; cheap to clone.
#[derive(Clone)]
pub(super) struct Server {
    client: Client,
    turns: Arc<Semaphore>,
    writes: Arc<AtomicU64>,
}

/// A request, to be sent once or several times.
pub(super) struct Ask {
    pub(super) method: Method,
    /// Path and query.
    pub(super) address: String,
    pub(super) body: Option<Value>,
    /// For a person, if it fails: "writing volumes/a".
    pub(super) doing: String,
}

/// How one attempt went wrong.
enum Failure {
    /// The API server has not done it, and would not do it the second time.
    Final(RawError),
    /// It has not done it because it had too much to do.
    Busy(String),
    /// Nobody knows whether it was done.
    Unknown(Box<dyn std::error::Error + Send + Sync>),
}

impl Server {
    pub(super) fn new(client: Client) -> Self {
        Self { client, turns: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)), writes: Arc::default() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Requests that could change something since the start.
    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Sends it until there is an answer. What is not known to be undone is sent again only where that does no harm: a
    /// write names the version that it replaces, so that the second one finds a conflict, but a creation names none.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Value, RawError> {
        let mut pauses = PAUSES.into_iter();
        let mut is_repeated = false;
        loop {
            let failure = match self.once(ask).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let (again, why): (bool, Box<dyn std::error::Error + Send + Sync>) = match failure {
                // What was to go has gone: by the request before, as far as anybody can tell.
                Failure::Final(RawError::NotFound) if is_repeated && ask.method == Method::DELETE => {
                    return Ok(Value::Null);
                }
                Failure::Final(error) => return Err(error),
                Failure::Busy(why) => (true, why.into()),
                Failure::Unknown(why) => (ask.method != Method::POST, why),
            };
            let Some(pause) = pauses.next().filter(|_| again) else {
                return Err(RawError::Backend { doing: ask.doing.clone(), source: why });
            };
            is_repeated = true;
            tracing::debug!(doing = ask.doing, error = %why, ?pause, "the API server did not answer; asking again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&self, ask: &Ask) -> Result<Value, Failure> {
        let request = ask.request().map_err(|error| Failure::Final(ask.failed(error)))?;
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(Failure::Final(ask.failed("the manager ends".into())));
        };
        if ask.method != Method::GET {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        match tokio::time::timeout(ANSWER_PATIENCE, self.client.request::<Value>(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) => Err(ask.refused(&status)),
            Ok(Err(error)) => Err(Failure::Unknown(Box::new(error))),
            Err(elapsed) => Err(Failure::Unknown(Box::new(elapsed))),
        }
    }
}

impl Ask {
    pub(super) fn get(address: String, doing: String) -> Self {
        Self { method: Method::GET, address, body: None, doing }
    }

    fn request(&self) -> Result<Request<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        let body = self.body.as_ref().map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let request = Request::builder().method(&self.method).uri(&self.address);
        Ok(request.header(http::header::CONTENT_TYPE, "application/json").body(body)?)
    }

    fn failed(&self, source: Box<dyn std::error::Error + Send + Sync>) -> RawError {
        RawError::Backend { doing: self.doing.clone(), source }
    }

    fn refused(&self, status: &Status) -> Failure {
        match (status.code, status.reason.as_str()) {
            (404, _) => Failure::Final(RawError::NotFound),
            (409, "AlreadyExists") => Failure::Final(RawError::AlreadyExists),
            (409, _) => Failure::Final(RawError::Conflict),
            (429 | 503, _) => Failure::Busy(status.message.clone()),
            (code, _) if code >= 500 => Failure::Unknown(status.message.clone().into()),
            _ => Failure::Final(RawError::Refused(status.message.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means() {
        let ask = Ask::get("/x".to_owned(), "reading x".to_owned());
        let refused = |code, reason: &str| {
            let status = Status { code, reason: reason.to_owned(), ..Status::failure("no", reason) };
            match ask.refused(&status) {
                Failure::Final(error) => format!("{error:?}"),
                Failure::Busy(_) => "busy".to_owned(),
                Failure::Unknown(_) => "unknown".to_owned(),
            }
        };
        assert_eq!(refused(404, "NotFound"), "NotFound");
        assert_eq!(refused(409, "AlreadyExists"), "AlreadyExists");
        assert_eq!(refused(409, "Conflict"), "Conflict");
        assert_eq!(refused(422, "Invalid"), "Refused(\"no\")");
        assert_eq!(refused(403, "Forbidden"), "Refused(\"no\")");
        assert_eq!(refused(429, "TooManyRequests"), "busy");
        assert_eq!(refused(504, "Timeout"), "unknown");
    }
}
