//! One object, applied as it is wanted (server-side apply): what we say of it becomes so, what others add to it stays (the
//! annotation of a `kubectl rollout restart`), and what is so already is not written.
//!
//! A DaemonSet or Deployment of the same name that we have never applied is Longhorn's. Its containers, mounts and variables
//! would be mixed with ours, and its selector can't be changed: it is deleted first, with its pods. Volumes that are mounted
//! stay so; kubelet waits with new ones for the new driver.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, Preconditions};
use serde_json::Value;
use tokio::time::timeout;

use super::trouble::Trouble;

/// By this name the API server knows what is ours of an object.
pub const FIELD_MANAGER: &str = "longhorn-driver-deployer";
/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(20);

/// Applies it.
///
/// # Errors
/// The API server refuses it or does not answer; or there is one of another program, whose end has to be waited for.
pub async fn apply(client: &Client, wanted: &Value) -> Result<(), Trouble> {
    let object = Of::read(wanted)?;
    let api = object.api(client);
    let before = object.asked("reading", api.get_opt(object.name)).await?;
    if let Some(there) = &before
        && (is_going(there) || (object.is_mixed_badly() && !is_ours(there)))
    {
        return Err(object.take_away(&api, there).await);
    }
    let forced = PatchParams::apply(FIELD_MANAGER).force();
    let after = object.asked("applying", api.patch(object.name, &forced, &Patch::Apply(wanted))).await?;
    match before {
        None => tracing::info!("made {object}"),
        Some(before) if before.metadata.resource_version != after.metadata.resource_version => {
            tracing::info!("changed {object}");
        }
        Some(_) => tracing::debug!("{object} is as it is wanted"),
    }
    Ok(())
}

fn is_going(object: &DynamicObject) -> bool {
    object.metadata.deletion_timestamp.is_some()
}

fn is_ours(object: &DynamicObject) -> bool {
    let mut managers = object.metadata.managed_fields.iter().flatten();
    managers.any(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER))
}

/// Which object it is.
struct Of<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    /// None for what the whole cluster has one of.
    namespace: Option<&'a str>,
}

impl std::fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl<'a> Of<'a> {
    fn read(wanted: &'a Value) -> Result<Self, Trouble> {
        let text = |pointer: &str| wanted.pointer(pointer).and_then(Value::as_str);
        let missing = || Trouble::server("applying an object", "it has no kind or name");
        Ok(Self {
            api_version: text("/apiVersion").ok_or_else(missing)?,
            kind: text("/kind").ok_or_else(missing)?,
            name: text("/metadata/name").ok_or_else(missing)?,
            namespace: text("/metadata/namespace"),
        })
    }

    fn api(&self, client: &Client) -> Api<DynamicObject> {
        let (group, version) = self.api_version.split_once('/').unwrap_or(("", self.api_version));
        let kind = GroupVersionKind::gvk(group, version, self.kind);
        // All that there are here have this plural.
        let resource = ApiResource::from_gvk_with_plural(&kind, &format!("{}s", self.kind.to_lowercase()));
        match self.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        }
    }

    /// Whether one of another program can't be made ours by changing it.
    fn is_mixed_badly(&self) -> bool {
        matches!(self.kind, "DaemonSet" | "Deployment")
    }

    async fn take_away(&self, api: &Api<DynamicObject>, there: &DynamicObject) -> Trouble {
        if !is_going(there) {
            let this_one = Preconditions { uid: there.metadata.uid.clone(), resource_version: None };
            // In the foreground: it is gone when its pods are, which otherwise would clear up the new ones' sockets.
            let deleted = api.delete(self.name, &DeleteParams::foreground().preconditions(this_one));
            if let Err(trouble) = self.asked("deleting", deleted).await {
                return trouble;
            }
        }
        Trouble::Foreign { kind: self.kind.to_owned(), name: self.name.to_owned() }
    }

    async fn asked<T>(&self, doing: &str, answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Trouble> {
        let doing = format!("{doing} {self}");
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Trouble::asked(doing, error)),
            Err(elapsed) => Err(Trouble::server(doing, elapsed)),
        }
    }
}
