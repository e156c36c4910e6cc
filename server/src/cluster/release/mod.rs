//! What the chart's release says, in ConfigMaps of Longhorn's names: [`settings`], the [`backup_target`] `default`, the
//! default [`storage_class`].
//!
//! Each is taken when it is another one than the last time. What a person changes afterwards stays so until an upgrade of the
//! release changes that ConfigMap. What can't be taken is left out, with a word in the log that says why.

mod backup_target;
mod settings;
mod storage_class;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::dynamic::{Failed, asked};
use super::{Cluster, change};
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use crate::yaml;

/// Noted at what was taken from a ConfigMap: the version of it.
const TAKEN: &str = "longhorn.io/configmap-resource-version";
/// Everything is read again after this long, whatever happens.
const RESYNC: Duration = Duration::from_secs(240);
/// Pause after a reading that failed.
const PAUSE: Duration = Duration::from_secs(5);

const SETTINGS: &str = "longhorn-default-setting";
const BACKUP_TARGET: &str = "longhorn-default-resource";
const STORAGE_CLASS: &str = "longhorn-storageclass";

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Server(#[from] Failed),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes what the release says now. Returns when that is done: before there are nodes, since settings say which disks they
/// get. An API server that does not answer is waited for.
pub async fn take(cluster: &Cluster, store: &Store, settings: &Settings) -> Taken {
    loop {
        match once(cluster, store, settings).await {
            Ok(version) => {
                return Taken { cluster: cluster.clone(), store: store.clone(), settings: settings.clone(), version };
            }
            Err(error) => tracing::warn!(%error, "what the release of the chart says can't be taken; trying again"),
        }
        sleep(PAUSE).await;
    }
}

/// What was taken, up to a version.
pub struct Taken {
    cluster: Cluster,
    store: Store,
    settings: Settings,
    version: String,
}

impl Taken {
    /// Takes what it says from now on.
    pub fn follow(self) -> JoinHandle<()> {
        let Self { cluster, store, settings, mut version } = self;
        tokio::spawn(async move {
            let counts = |name: &str| [SETTINGS, BACKUP_TARGET, STORAGE_CLASS].contains(&name);
            loop {
                change::wait(&config_maps(&cluster), &version, RESYNC, counts).await;
                version = take(&cluster, &store, &settings).await.version;
            }
        })
    }
}

async fn once(cluster: &Cluster, store: &Store, settings: &Settings) -> Result<String, Error> {
    let listed = asked("reading the ConfigMaps", config_maps(cluster).list(&ListParams::default())).await?;
    let mut texts: BTreeMap<String, Said> = listed.items.into_iter().filter_map(said).collect();
    if let Some(said) = texts.remove(SETTINGS) {
        settings::take(store, settings, &said).await?;
    }
    if let Some(said) = texts.remove(BACKUP_TARGET) {
        backup_target::take(store, &said).await?;
    }
    if let Some(said) = texts.remove(STORAGE_CLASS) {
        storage_class::take(&cluster.client, &said).await?;
    }
    Ok(listed.metadata.resource_version.unwrap_or_default())
}

fn config_maps(cluster: &Cluster) -> Api<ConfigMap> {
    Api::namespaced(cluster.client.clone(), &cluster.namespace)
}

/// A ConfigMap with one text.
struct Said {
    /// Of the ConfigMap.
    version: String,
    /// The key is the file's name, which is the ConfigMap's without `longhorn-`.
    text: String,
}

fn said(map: ConfigMap) -> Option<(String, Said)> {
    let name = map.metadata.name?;
    let key = format!("{}.yaml", name.strip_prefix("longhorn-")?);
    let text = map.data?.remove(&key)?;
    Some((name, Said { version: map.metadata.resource_version?, text }))
}

impl Said {
    /// Names with values, as texts. Empty where it is no such list, which the log says.
    fn entries(&self, config_map: &str) -> BTreeMap<String, String> {
        let entries = match yaml::read(&self.text) {
            Ok(Value::Object(entries)) => entries,
            // Nothing was said.
            Ok(Value::Null) => return BTreeMap::new(),
            Ok(_) => {
                tracing::warn!(config_map, "left out: it is no list of names with values");
                return BTreeMap::new();
            }
            Err(error) => {
                tracing::warn!(config_map, %error, "left out");
                return BTreeMap::new();
            }
        };
        let text = |value: Value| match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            // Numbers, true and false, and JSON that somebody wrote without quotes.
            other => other.to_string(),
        };
        entries.into_iter().map(|(name, value)| (name, text(value))).collect()
    }
}
