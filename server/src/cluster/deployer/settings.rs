//! The settings as the API server has them. The deployer reads nothing else of ours, and may not.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, WatchEvent, WatchParams};
use tokio::time::{sleep, timeout};

use super::trouble::Trouble;
use crate::resources::GROUP;
use crate::settings::{Name, Settings};

/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(20);
/// Settings that come together, as at an upgrade of the chart, are obeyed together.
const SETTLE: Duration = Duration::from_secs(1);

/// The settings that say what the driver's objects are like.
const OBEYED: [Name; 7] = [
    Name::CsiStorageCapacityTracking,
    Name::PriorityClass,
    Name::RegistrySecret,
    Name::SystemManagedComponentsNodeSelector,
    Name::SystemManagedCsiComponentsResourceLimits,
    Name::SystemManagedPodsImagePullPolicy,
    Name::TaintToleration,
];

pub(super) struct Read {
    pub(super) settings: Settings,
    /// Of the list, to wait from.
    pub(super) version: String,
}

/// All settings; an error while there is none, since the manager makes them all at once.
pub(super) async fn read(client: &Client, namespace: &str) -> Result<Read, Trouble> {
    let doing = "reading the settings";
    let listed = timeout(PATIENCE, api(client, namespace).list(&ListParams::default())).await;
    let listed = listed.map_err(|elapsed| Trouble::server(doing, elapsed))?;
    let listed = listed.map_err(|error| Trouble::asked(doing, error))?;
    let settings = Settings::default();
    for (name, value) in listed.items.iter().filter_map(named_value) {
        settings.set(name, value);
    }
    if listed.items.is_empty() {
        return Err(Trouble::NoSettings);
    }
    Ok(Read { settings, version: listed.metadata.resource_version.unwrap_or_default() })
}

fn named_value(setting: &DynamicObject) -> Option<(&str, &str)> {
    Some((setting.metadata.name.as_deref()?, setting.data.get("value")?.as_str()?))
}

/// Returns when one that counts has changed since the version, when nobody can tell any more, or when the patience is over.
pub(super) async fn wait_for_change(client: &Client, namespace: &str, version: &str, patience: Duration) {
    let changed = async {
        let asked = WatchParams::default().timeout(u32::try_from(patience.as_secs()).unwrap_or(u32::MAX));
        let events = match api(client, namespace).watch(&asked, version).await {
            Ok(events) => events,
            Err(error) => return tracing::debug!(%error, "the settings can't be watched; reading them again"),
        };
        pin_mut!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(WatchEvent::Added(setting) | WatchEvent::Modified(setting) | WatchEvent::Deleted(setting)) => {
                    if is_obeyed(setting.metadata.name.as_deref().unwrap_or_default()) {
                        return;
                    }
                }
                Ok(WatchEvent::Bookmark(_)) => {}
                Ok(WatchEvent::Error(status)) => return tracing::debug!(%status, "the watch of the settings has ended"),
                Err(error) => return tracing::debug!(%error, "the watch of the settings broke"),
            }
        }
    };
    // Also where the API server keeps silent for longer than it was asked to.
    let _ = timeout(patience, changed).await;
    sleep(SETTLE).await;
}

fn is_obeyed(name: &str) -> bool {
    Name::of_word(name).is_some_and(|name| OBEYED.contains(&name))
}

fn api(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(GROUP, "v1beta2", "Setting");
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk_with_plural(&kind, "settings"))
}
