//! `GET /v1/ws/{period}/{resource}`: Longhorn's streams. Each message is the whole list, as its own dashboard wants it.

use std::time::Duration;

use aurochs_api::live::LiveKind;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use tokio::time::Instant;

use super::changes::INCOMING_LIMIT_BYTES;
use crate::app::App;
use crate::auth::User;
use crate::error::{ApiError, ErrorKind};
use crate::resources::VolumeAttachment;
use crate::routes::{node, setting, shown, volume};
use crate::web::live::socket::{Client, Event};
use crate::web::request_url::RequestUrl;

/// Longhorn's dashboard reopens a stream that had no message for half a minute; so the list comes again before.
const REPEAT: Duration = Duration::from_secs(25);
/// Longhorn's upper limit of the period.
const PERIOD_MAXIMUM: Duration = Duration::from_secs(15);

/// A list that can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Volumes,
    VolumeAttachments,
    Nodes,
    Settings,
}

impl List {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "volumes" => Self::Volumes,
            "volumeattachments" => Self::VolumeAttachments,
            "nodes" => Self::Nodes,
            "settings" => Self::Settings,
            _ => return None,
        })
    }

    /// The kind whose changes change the list.
    const fn source(self) -> LiveKind {
        match self {
            Self::Volumes | Self::VolumeAttachments => LiveKind::Volume,
            Self::Nodes => LiveKind::Node,
            Self::Settings => LiveKind::Setting,
        }
    }

    async fn load(self, app: &App, url: RequestUrl) -> Result<String, ApiError> {
        let store = State(app.store.clone());
        match self {
            Self::Volumes => text(volume::list::handle(store, url).await?.0),
            Self::VolumeAttachments => text(shown::list::<VolumeAttachment>(store, url).await?.0),
            Self::Nodes => text(node::list::handle(store, url).await?.0),
            Self::Settings => text(setting::list::handle(store, url).await?.0),
        }
    }
}

fn text(list: impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string(&list).map_err(|error| ApiError::internal("writing a list", error))
}

/// `/v1/ws/{resource}`
pub async fn handle(
    state: State<App>,
    url: RequestUrl,
    user: User,
    Path(resource): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    open(state, url, user, Duration::ZERO, &resource, upgrade)
}

/// `/v1/ws/{period}/{resource}`
pub async fn handle_paced(
    state: State<App>,
    url: RequestUrl,
    user: User,
    Path((period, resource)): Path<(String, String)>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    open(state, url, user, parse_period(&period), &resource, upgrade)
}

fn open(
    State(app): State<App>,
    url: RequestUrl,
    user: User,
    period: Duration,
    resource: &str,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let Some(list) = List::parse(resource) else {
        let message = format_args!("there is no stream of {resource:?}");
        return Err(ApiError::new(
            ErrorKind::NotFound,
            message,
            "Streams: volumes, volumeattachments, nodes, settings, live.",
        ));
    };
    // Links in the messages are those of the list's own address.
    let url = url.at(&format!("/v1/{resource}"));
    let upgrade = upgrade.max_message_size(INCOMING_LIMIT_BYTES);
    Ok(upgrade.on_upgrade(move |socket| run(Client::new(socket, user, app.auth.clone()), app, list, url, period)))
}

/// Sends the list at once, then when it changed, not more often than the period allows.
async fn run(mut client: Client, app: App, list: List, url: RequestUrl, period: Duration) {
    let mut revisions = app.live.revisions();
    let mut sent = (String::new(), Instant::now());
    loop {
        revisions.borrow_and_update();
        match list.load(&app, url.clone()).await {
            Ok(now) if now != sent.0 || sent.1.elapsed() >= REPEAT => {
                if !client.send(Message::Text(now.as_str().into())).await {
                    return;
                }
                sent = (now, Instant::now());
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(message = error.message, "a list can't be streamed; trying again"),
        }
        let not_before = Instant::now() + period;
        let repeat = tokio::time::sleep_until(sent.1 + REPEAT);
        let changed = async {
            let wanted = list.source();
            let known = revisions.borrow().get(&wanted).copied();
            let _ = revisions.wait_for(|revisions| revisions.get(&wanted).copied() != known).await;
            tokio::time::sleep_until(not_before).await;
        };
        tokio::pin!(repeat, changed);
        loop {
            tokio::select! {
                () = &mut changed => break,
                () = &mut repeat => break,
                event = client.event() => {
                    let alive = event == Event::Alive && client.send(Message::Ping(bytes::Bytes::new())).await;
                    if !alive {
                        return;
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
