//! The settings as the API server has them. The deployer reads nothing else of ours, and may not.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};

use super::super::dynamic::asked;
use super::super::{change, dynamic};
use super::trouble::Trouble;
use crate::resources::{Kind, Setting};
use crate::settings::{Name, Settings};

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
    let listed = asked("reading the settings", api(client, namespace).list(&ListParams::default())).await?;
    if listed.items.is_empty() {
        return Err(Trouble::NoSettings);
    }
    let settings = Settings::default();
    for (name, value) in listed.items.iter().filter_map(named_value) {
        settings.set(name, value);
    }
    Ok(Read { settings, version: listed.metadata.resource_version.unwrap_or_default() })
}

fn named_value(setting: &DynamicObject) -> Option<(&str, &str)> {
    Some((setting.metadata.name.as_deref()?, setting.data.get("value")?.as_str()?))
}

/// Returns when one that counts has changed since the version, or may have, or when the patience is over.
pub(super) async fn wait_for_change(client: &Client, namespace: &str, version: &str, patience: Duration) {
    let is_obeyed = |name: &str| Name::of_word(name).is_some_and(|name| OBEYED.contains(&name));
    change::wait(&api(client, namespace), version, patience, is_obeyed).await;
}

fn api(client: &Client, namespace: &str) -> Api<DynamicObject> {
    dynamic::api(client, Some(namespace), &dynamic::of_ours(Setting::KIND, Setting::PLURAL))
}
