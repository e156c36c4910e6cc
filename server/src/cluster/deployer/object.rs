//! One object, applied as it is wanted (server-side apply): what we say of it becomes so, what others add to it stays (the
//! annotation of a `kubectl rollout restart`), and what is so already is not written.
//!
//! A DaemonSet or Deployment of the same name that we have never applied is Longhorn's. Its containers, mounts and variables
//! would be mixed with ours, and its selector can't be changed: it is deleted first, with its pods. Volumes that are mounted
//! stay so; kubelet waits with new ones for the new driver.

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use serde_json::Value;

use super::super::dynamic::{Named, asked};
use super::trouble::Trouble;

/// By this name the API server knows what is ours of an object.
pub const FIELD_MANAGER: &str = "longhorn-driver-deployer";

/// Applies it.
///
/// # Errors
/// The API server refuses it or does not answer; or there is one of another program, whose end has to be waited for.
pub async fn apply(client: &Client, wanted: &Value) -> Result<(), Trouble> {
    let object = Named::of(wanted).ok_or(Trouble::Nameless)?;
    let api = object.api(client);
    let before = asked(format!("reading {object}"), api.get_opt(object.name)).await?;
    if let Some(there) = &before
        && (is_going(there) || (is_mixed_badly(&object) && !is_ours(there)))
    {
        take_away(&object, &api, there).await?;
        return Err(Trouble::Foreign { kind: object.kind.to_owned(), name: object.name.to_owned() });
    }
    let (forced, patch) = (PatchParams::apply(FIELD_MANAGER).force(), Patch::Apply(wanted));
    let after = asked(format!("applying {object}"), api.patch(object.name, &forced, &patch)).await?;
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

/// Whether one of another program can't be made ours by changing it.
fn is_mixed_badly(object: &Named<'_>) -> bool {
    matches!(object.kind, "DaemonSet" | "Deployment")
}

async fn take_away(object: &Named<'_>, api: &Api<DynamicObject>, there: &DynamicObject) -> Result<(), Trouble> {
    if is_going(there) {
        return Ok(());
    }
    let this_one = Preconditions { uid: there.metadata.uid.clone(), resource_version: None };
    // In the foreground: it is gone when its pods are, which otherwise would clear up the new ones' sockets.
    let parameters = DeleteParams::foreground().preconditions(this_one);
    asked(format!("deleting {object}"), api.delete(object.name, &parameters)).await?;
    Ok(())
}
