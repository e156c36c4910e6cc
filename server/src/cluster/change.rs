//! Waiting until one of a few objects changes that others keep: settings for the driver deployer, ConfigMaps for the manager.
//! Whoever waits reads all of them again afterwards, so that nothing is lost by a watch that breaks.

use std::fmt::Debug;
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::Resource;
use kube::api::{Api, WatchEvent, WatchParams};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

/// Changes that come together, as at an upgrade of the chart, are obeyed together.
const SETTLE: Duration = Duration::from_secs(1);
/// Where nothing can be watched, everything is read this often.
const PAUSE: Duration = Duration::from_secs(10);

/// Returns when an object whose name counts has changed since the version, when nobody can tell any more, or when the
/// patience is over. The API server ends a watch after five minutes by itself.
pub(super) async fn wait<K>(api: &Api<K>, version: &str, patience: Duration, counts: impl Fn(&str) -> bool)
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    wait_among(api, WatchParams::default(), version, patience, counts).await;
}

/// The same for the one object of this name; no other one is read.
pub(super) async fn wait_for_one<K>(api: &Api<K>, name: &str, version: &str, patience: Duration)
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let only_it = WatchParams::default().fields(&format!("metadata.name={name}"));
    wait_among(api, only_it, version, patience, |_| true).await;
}

async fn wait_among<K>(
    api: &Api<K>,
    among: WatchParams,
    version: &str,
    patience: Duration,
    counts: impl Fn(&str) -> bool,
) where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    // False where nobody can tell.
    let changed = async {
        let asked = among.timeout(u32::try_from(patience.as_secs()).unwrap_or(u32::MAX));
        let events = match api.watch(&asked, version).await {
            Ok(events) => events,
            Err(error) => {
                tracing::debug!(%error, "a watch can't be begun; reading again");
                return false;
            }
        };
        pin_mut!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object)) => {
                    if object.meta().name.as_deref().is_some_and(&counts) {
                        return true;
                    }
                }
                Ok(WatchEvent::Bookmark(_)) => {}
                Ok(WatchEvent::Error(status)) => {
                    tracing::debug!(%status, "a watch has ended; reading again");
                    return false;
                }
                Err(error) => {
                    tracing::debug!(%error, "a watch broke; reading again");
                    return false;
                }
            }
        }
        true
    };
    // Also where the API server keeps silent for longer than it was asked to.
    let is_told = timeout(patience, changed).await.unwrap_or(true);
    sleep(if is_told { SETTLE } else { PAUSE }).await;
}
