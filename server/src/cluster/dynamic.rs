//! Objects of any kind, by what their manifests say.

use std::fmt;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;
use tokio::time::timeout;

use crate::resources::GROUP;
use crate::resources::definition::VERSION;

/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that did not go well.
#[derive(Debug, thiserror::Error)]
#[error("{doing} failed: {source}")]
pub struct Failed {
    doing: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Waits for an answer. `doing` is for people: "reading Deployment a".
pub(super) async fn asked<T>(
    doing: impl Into<String>,
    answer: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failed> {
    let failed = |source| Failed { doing: doing.into(), source };
    match timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        // The API server's own words alone.
        Ok(Err(kube::Error::Api(status))) => Err(failed(status.message.into())),
        Ok(Err(error)) => Err(failed(error.into())),
        Err(elapsed) => Err(failed(elapsed.into())),
    }
}

/// The same, where there may be nothing: None.
pub(super) async fn found<T>(
    doing: impl Into<String>,
    answer: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Option<T>, Failed> {
    let answer = async {
        match answer.await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            answer => answer.map(Some),
        }
    };
    asked(doing, answer).await
}

/// Objects of a kind, in a namespace or in the whole cluster.
pub(super) fn api(client: &Client, namespace: Option<&str>, resource: &ApiResource) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

/// A kind of `apps/v1` and the like.
pub(super) fn resource(api_version: &str, kind: &str, plural: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// One of our kinds.
pub(super) fn of_ours(kind: &str, plural: &str) -> ApiResource {
    resource(&format!("{GROUP}/{VERSION}"), kind, plural)
}

/// Which object a manifest is of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    /// None for what the whole cluster has one of.
    pub(super) namespace: Option<&'a str>,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl<'a> Named<'a> {
    /// None where it says not which one it is.
    pub(super) fn of(manifest: &'a Value) -> Option<Self> {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
        Some(Self {
            api_version: text("/apiVersion")?,
            kind: text("/kind")?,
            name: text("/metadata/name")?,
            namespace: text("/metadata/namespace"),
        })
    }

    pub(super) fn api(&self, client: &Client) -> Api<DynamicObject> {
        // All that we make have this plural.
        let plural = format!("{}s", self.kind.to_lowercase());
        api(client, self.namespace, &resource(self.api_version, self.kind, &plural))
    }
}
