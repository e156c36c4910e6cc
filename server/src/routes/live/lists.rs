//! `GET /v1/ws/{period}/{resource}`: Longhorn's streams. Each message is the whole list, as its own dashboard wants it:
//! what `GET` of the list answers, asked of the same handler.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Uri;
use axum::response::Response;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tower::ServiceExt;

use crate::app::App;
use crate::auth::User;
use crate::error::{ApiError, ErrorKind};
use crate::nouns::{self, Noun};
use crate::web::live::hub::GATHER;
use crate::web::live::socket::{Client, Event};
use crate::web::live::streams::Stream;
use crate::web::live::upgrade::Upgrade;
use crate::web::request_url::RequestUrl;

/// Longhorn's dashboard reopens a stream that had no message for half a minute; so the list comes again before.
const REPEAT: Duration = Duration::from_secs(25);
/// Longhorn's upper limit of the period.
const PERIOD_MAXIMUM: Duration = Duration::from_secs(15);
/// A pause after a list could not be made.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// No list is longer; one that is would be a bug, and must not take all memory.
const LIST_MAXIMUM_BYTES: usize = 1 << 30;

/// A list that can be followed.
#[derive(Clone, Copy)]
struct List {
    noun: &'static Noun,
    sources: &'static [&'static str],
}

impl List {
    /// The list whose plural is this word.
    fn named(word: &str) -> Option<Self> {
        let noun = nouns::all().iter().find(|noun| noun.plural() == word)?;
        Some(Self { noun, sources: noun.stream()? })
    }

    fn names() -> Vec<String> {
        nouns::all().iter().filter(|noun| noun.stream().is_some()).map(Noun::plural).collect()
    }

    /// What the list's handler answers to this user under this address.
    async fn load(self, app: App, url: RequestUrl, user: User) -> Result<Utf8Bytes, ApiError> {
        let tried = "making a list for a stream";
        let handler = self.noun.list_handler().ok_or_else(|| ApiError::internal(tried, "it has no handler"))?;
        let mut request = Request::new(Body::empty());
        *request.uri_mut() =
            Uri::try_from(format!("/v1/{}", self.noun.plural())).map_err(|error| ApiError::internal(tried, error))?;
        request.extensions_mut().insert(url);
        request.extensions_mut().insert(user);
        let Ok(response) = handler.with_state::<()>(app).oneshot(request).await;
        if let Some(error) = response.extensions().get::<ApiError>() {
            return Err(error.clone());
        }
        let body = axum::body::to_bytes(response.into_body(), LIST_MAXIMUM_BYTES).await;
        let body = body.map_err(|error| ApiError::internal(tried, error))?;
        Utf8Bytes::try_from(body).map_err(|error| ApiError::internal(tried, error))
    }
}

/// The kinds whose changes change the list with this plural; none when it can't be followed.
pub(super) fn sources(plural: &str) -> Option<&'static [&'static str]> {
    List::named(plural).map(|list| list.sources)
}

/// `/v1/ws/{resource}`
pub async fn handle(
    state: State<App>,
    url: RequestUrl,
    user: User,
    Path(resource): Path<String>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    open(state, &url, user, Duration::ZERO, &resource, upgrade)
}

/// `/v1/ws/{period}/{resource}`
pub async fn handle_paced(
    state: State<App>,
    url: RequestUrl,
    user: User,
    Path((period, resource)): Path<(String, String)>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    open(state, &url, user, parse_period(&period), &resource, upgrade)
}

fn open(
    State(app): State<App>,
    url: &RequestUrl,
    user: User,
    period: Duration,
    resource: &str,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let Some(list) = List::named(resource) else {
        let message = format_args!("there is no stream of {resource:?}");
        let known = List::names().join(", ");
        return Err(ApiError::new(ErrorKind::NotFound, message, format_args!("Streams: {known}, live.")));
    };
    // Links in the messages are those of the list's own address.
    let url = url.at(&format!("/v1/{resource}"));
    let stream = app.streams.follow(list.noun.id(), url.base()).ok_or_else(|| {
        let message = format_args!("the stream of {resource} is followed under too many addresses of this manager");
        ApiError::new(ErrorKind::Unavailable, message, "Call the manager by an address that others use, too.")
    })?;
    upgrade.serve(move |socket| async move {
        let client = Client::new(socket, user.clone(), app.auth.clone());
        Follower { client, app, list, url, user, period }.run(&stream).await;
    })
}

/// A client of a stream.
struct Follower {
    client: Client,
    app: App,
    list: List,
    url: RequestUrl,
    user: User,
    period: Duration,
}

/// What a client got last.
#[derive(Clone, Copy)]
struct Sent {
    serial: u64,
    at: Instant,
}

impl Follower {
    /// Sends the list at once, then when it changed, not more often than the period allows.
    async fn run(mut self, stream: &Stream) {
        let mut sent: Option<Sent> = None;
        loop {
            let revision = self.app.streams.revisions.of(self.list.sources);
            let next = match self.tell(stream, revision, sent).await {
                Ok(Some(now)) => {
                    sent = Some(now);
                    now.at + REPEAT
                }
                Ok(None) => return,
                // What is new was not told: nothing else has to change for another try.
                Err(error) => {
                    tracing::warn!(message = error.message, "a list can't be streamed; trying again");
                    Instant::now() + FAILURE_PAUSE
                }
            };
            if !self.wait(revision, next).await {
                return;
            }
        }
    }

    /// Sends the list unless the client has it; none when the client is gone.
    async fn tell(&mut self, stream: &Stream, revision: u64, sent: Option<Sent>) -> Result<Option<Sent>, ApiError> {
        let make = || self.list.load(self.app.clone(), self.url.clone(), self.user.clone());
        let now = stream.text(revision, make).await?;
        if let Some(sent) = sent.filter(|sent| sent.serial == now.serial && sent.at.elapsed() < REPEAT) {
            return Ok(Some(sent));
        }
        let taken = self.client.send(now.text.clone()).await;
        Ok(taken.then(|| Sent { serial: now.serial, at: Instant::now() }))
    }

    /// Waits until there is something to tell, or it is time to tell it again; false when the client is gone.
    async fn wait(&mut self, revision: u64, next: Instant) -> bool {
        let not_before = Instant::now() + self.period.max(GATHER);
        let repeat = tokio::time::sleep_until(next);
        let changed = async {
            self.app.streams.revisions.other_than(self.list.sources, revision).await;
            tokio::time::sleep_until(not_before).await;
        };
        tokio::pin!(repeat, changed);
        loop {
            tokio::select! {
                () = &mut changed => return true,
                () = &mut repeat => return true,
                event = self.client.event() => {
                    let alive = match event {
                        Event::Alive => self.client.ping().await,
                        // Longhorn's streams have no requests.
                        Event::Said(_) => true,
                        Event::Closed => false,
                    };
                    if !alive {
                        return false;
                    }
                }
            }
        }
    }
}

/// Go's duration text as far as anybody writes it here: `1s`, `500ms`, `1m`. Anything else is zero, as Longhorn has it.
fn parse_period(text: &str) -> Duration {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Duration::ZERO,
    };
    let seconds = number.parse::<f64>().unwrap_or(0.0) * scale;
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO).min(PERIOD_MAXIMUM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        for (text, milliseconds) in [("1s", 1000), ("500ms", 500), ("1m", 15_000), ("1.5s", 1500), ("x", 0), ("-1s", 0)]
        {
            assert_eq!(parse_period(text), Duration::from_millis(milliseconds), "{text}");
        }
    }
}
