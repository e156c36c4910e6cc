//! Follows one kind on the API server: lists it, then watches from there, for ever.
//!
//! A watch that ends (the API server ends each after some minutes, or is started again) goes on at the version that was
//! reached. When the API server has forgotten that version, the kind is listed again, and what changed meanwhile is found by
//! comparison. A connection that says nothing for longer than the API server's bookmarks take counts as broken.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use http::Request;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::form;
use super::picture::Picture;
use super::server::{Ask, Server};
use crate::resources::definition::Definition;
use crate::store::RawError;

/// Objects of one answer to a list.
const PAGE: u32 = 500;
/// The API server is asked to end a watch after this.
const WATCH_SECONDS: u32 = 290;
/// Bookmarks come about every minute.
const SILENCE_LONGEST: Duration = Duration::from_secs(150);
/// Pause after a failure, doubled with each further one up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(10);

/// A watch that failed this often in a row is begun anew with a list: the API server may have been set back to a state in
/// which the version that was reached is still to come.
const FAILURES_TOLERATED: u32 = 6;
/// A watch that broke after this long is not one in a row.
const WENT_WELL: Duration = Duration::from_secs(30);

/// One kind's follower.
pub(super) struct Follower {
    pub(super) server: Server,
    pub(super) definition: Arc<Definition>,
    /// Of the kind: `/apis/longhorn.io/v1beta2/namespaces/x/volumes`.
    pub(super) address: String,
    pub(super) picture: Arc<Picture>,
    /// Somebody misses a change that was answered: the connection may be broken.
    pub(super) nudge: Arc<Notify>,
}

/// Why a watch has ended.
enum End {
    /// It can go on where it was.
    Resume,
    /// The version is too old.
    Forgotten,
}

impl Follower {
    /// Follows from the version that was listed.
    pub(super) async fn run(self, listed: String) {
        let mut version = listed;
        loop {
            self.watch_on(&mut version).await;
            version = self.list_until_it_succeeds().await;
        }
    }

    /// Returns when the kind has to be listed again.
    async fn watch_on(&self, version: &mut String) {
        let mut failures = 0;
        while failures < FAILURES_TOLERATED {
            let began = Instant::now();
            match self.watch(version).await {
                Ok(End::Resume) => {
                    failures = 0;
                    // Something between here and there may end every watch at once.
                    tokio::time::sleep_until(began + PAUSE_FIRST).await;
                }
                Ok(End::Forgotten) => return,
                Err(error) => {
                    // One that went well until now, as where something between here and there ends all that are old, says
                    // nothing about the version.
                    failures = if began.elapsed() > WENT_WELL { 1 } else { failures + 1 };
                    tracing::debug!(kind = self.definition.names.kind, %error, failures, "a watch broke");
                    tokio::time::sleep(pause_after(failures)).await;
                }
            }
        }
    }

    async fn list_until_it_succeeds(&self) -> String {
        let mut failures = 0;
        loop {
            match self.list().await {
                Ok(version) => return version,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(kind = self.definition.names.kind, ?error, failures, "listing failed; trying again");
                    tokio::time::sleep(pause_after(failures)).await;
                }
            }
        }
    }

    /// Lists the kind, page by page, all as of one version.
    pub(super) async fn list(&self) -> Result<String, RawError> {
        let (mut objects, mut rest) = (Vec::new(), String::new());
        loop {
            let page = match rest.as_str() {
                "" => String::new(),
                rest => format!("&continue={}", escaped(rest)),
            };
            let address = format!("{}?limit={PAGE}{page}", self.address);
            let doing = format!("listing {}", self.definition.names.plural);
            let mut answer = self.server.ask(&Ask::get(address, doing)).await?;
            let items = match answer["items"].take() {
                Value::Array(items) => items,
                _ => Vec::new(),
            };
            for item in items {
                match form::read(&self.definition, item) {
                    Ok(object) => objects.push(object),
                    Err(error) => tracing::error!(kind = self.definition.names.kind, %error, "an object is skipped"),
                }
            }
            let metadata = &answer["metadata"];
            match metadata["continue"].as_str() {
                Some(more) if !more.is_empty() => rest = more.to_owned(),
                _ => {
                    let version = metadata["resourceVersion"].as_str().unwrap_or_default().to_owned();
                    self.picture.fill(objects, version.parse().unwrap_or(0));
                    return Ok(version);
                }
            }
        }
    }

    /// Watches from the version, which moves on with what comes.
    async fn watch(&self, version: &mut String) -> Result<End, kube::Error> {
        let address = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}",
            self.address
        );
        let request = Request::get(address).body(Vec::new()).map_err(kube::Error::HttpError)?;
        let opened = self.server.client().request_events::<Value>(request);
        let events = match tokio::time::timeout(SILENCE_LONGEST, opened).await {
            Ok(Ok(events)) => events,
            Ok(Err(kube::Error::Api(status))) if status.code == 410 => return Ok(End::Forgotten),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Ok(End::Resume),
        };
        tokio::pin!(events);
        loop {
            let event = tokio::select! {
                event = tokio::time::timeout(SILENCE_LONGEST, events.try_next()) => event,
                () = self.nudge.notified() => return Ok(End::Resume),
            };
            match event {
                Ok(Ok(Some(WatchEvent::Error(status)))) if status.code == 410 => return Ok(End::Forgotten),
                Ok(Ok(Some(WatchEvent::Error(status)))) => return Err(kube::Error::Api(status)),
                Ok(Ok(Some(event))) => self.take(event, version),
                Ok(Err(error)) => return Err(error),
                // The API server ended it, or said nothing for too long.
                Ok(Ok(None)) | Err(_) => return Ok(End::Resume),
            }
        }
    }

    fn take(&self, event: WatchEvent<Value>, version: &mut String) {
        let (object, deleted) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
            WatchEvent::Deleted(object) => (object, true),
            WatchEvent::Bookmark(bookmark) => {
                *version = bookmark.metadata.resource_version;
                return self.picture.reach(version.parse().unwrap_or(0));
            }
            WatchEvent::Error(_) => return,
        };
        match form::read(&self.definition, object) {
            Ok(object) => {
                version.clone_from(&object.metadata.resource_version);
                if deleted { self.picture.remove(object) } else { self.picture.put(object) }
            }
            Err(error) => tracing::error!(kind = self.definition.names.kind, %error, "a change is skipped"),
        }
    }
}

/// A continue token is base64, in which `+`, `/` and `=` mean something else in an address.
fn escaped(token: &str) -> String {
    token.replace('%', "%25").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D").replace('&', "%26")
}

fn pause_after(failures: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(1 << failures.min(10)).min(PAUSE_LONGEST)
}
