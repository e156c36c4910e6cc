//! `aurochs uninstall`: all volumes and everything that we know of them, taken out of the cluster; Helm runs it before it takes
//! away the rest. Backups stay where they are, in their stores.
//!
//! 1. Nothing, unless the setting `deleting-confirmation-flag` is true.
//! 2. Volumes, then backing images, are deleted, and the managers asked to do it are waited for: what these have on the
//!    nodes' disks goes with them.
//! 3. The managers go, with all that could make something again or refuse what follows: deployer, driver, webhook, instance
//!    managers.
//! 4. What is left of our kinds goes without anybody heeding it. Only now, and with the managers' lease in hand, since a manager
//!    would take the end of a backup or of an orphan for the wish to delete its data.
//!
//! Every step can be repeated: an uninstallation that was broken off goes on when it is asked for again.

use std::time::Duration;

use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::dynamic::{self, Failed, Named, asked, found};
use super::{Cluster, driver, lease};
use crate::controllers::instance_manager;
use crate::resources::{BackingImage, Kind, Node, Setting, Volume, definition};
use crate::settings::Name;

/// Pause between two looks at what has to go.
const LOOK_PERIOD: Duration = Duration::from_secs(2);
/// What has not gone after this long does not go: Helm gives the whole job 15 minutes.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The lease of a manager that has gone without giving it back ends sooner.
const TURN_PATIENCE: Duration = Duration::from_secs(30);
/// Objects that a message names; more are counted.
const NAMED_MAXIMUM: usize = 5;

/// Why it was not done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum UninstallError {
    #[error(
        "nothing was removed: all volumes would be lost. To do it, say so: kubectl -n {namespace} patch settings.longhorn.io \
         {} --type=merge -p '{{\"value\": \"true\"}}'",
        Name::DeletingConfirmationFlag.word()
    )]
    NotConfirmed { namespace: String },
    #[error("nothing was removed: {count} volumes are attached ({named}); end the pods that use them, or say --force")]
    InUse { count: usize, named: String },
    #[error(
        "the uninstallation stopped: {count} of {plural} have not gone ({named}); the managers' log says why \
         (kubectl -n {namespace} logs -l app=longhorn-manager)"
    )]
    Stays { plural: &'static str, count: usize, named: String, namespace: String },
    #[error(
        "the uninstallation stopped: a manager still acts on the namespace {namespace}, as the lease {} says; end it, and ask again",
        lease::NAME
    )]
    StillActs { namespace: String },
    #[error(transparent)]
    Server(#[from] Failed),
}

/// Does it all. `force`: also while volumes are attached, whose pods lose them.
///
/// # Errors
/// It was not confirmed, something does not go, or the API server refuses something.
pub async fn run(cluster: &Cluster, force: bool) -> Result<(), UninstallError> {
    let Some(setting) = confirmation(cluster).await? else {
        tracing::info!("there is nothing of ours here");
        return Ok(());
    };
    if setting.data.get("value").and_then(serde_json::Value::as_str) != Some("true") {
        return Err(UninstallError::NotConfirmed { namespace: cluster.namespace.clone() });
    }
    if !force {
        refuse_while_attached(cluster).await?;
    }
    for (kind, plural) in [(Volume::KIND, Volume::PLURAL), (BackingImage::KIND, BackingImage::PLURAL)] {
        remove_with_its_data(cluster, kind, plural).await?;
    }
    for object in programs(&cluster.namespace) {
        remove(cluster, &object).await?;
    }
    for component in ["app=longhorn-manager", "longhorn.io/component=instance-manager"] {
        remove_pods(cluster, component).await?;
    }
    remove_budgets(cluster).await?;
    // A manager may have registered it once more before it ended.
    for object in webhooks() {
        remove(cluster, &object).await?;
    }
    forget_everything(cluster).await?;
    tracing::info!("everything is removed; backups are where they were");
    Ok(())
}

/// None where nothing is installed: not even the kind may be there.
async fn confirmation(cluster: &Cluster) -> Result<Option<DynamicObject>, Failed> {
    let settings = ours(cluster, Setting::KIND, Setting::PLURAL);
    found("reading the confirmation", settings.get(Name::DeletingConfirmationFlag.word())).await
}

fn ours(cluster: &Cluster, kind: &str, plural: &str) -> Api<DynamicObject> {
    dynamic::api(&cluster.client, Some(&cluster.namespace), &dynamic::of_ours(kind, plural))
}

async fn refuse_while_attached(cluster: &Cluster) -> Result<(), UninstallError> {
    let volumes = list(&ours(cluster, Volume::KIND, Volume::PLURAL), Volume::PLURAL).await?;
    let state = |volume: &DynamicObject| {
        volume.data.pointer("/status/state").and_then(|state| state.as_str().map(str::to_owned))
    };
    let attached: Vec<_> =
        volumes.iter().filter(|volume| state(volume).is_some_and(|state| state != "detached")).collect();
    match attached.len() {
        0 => Ok(()),
        count => Err(UninstallError::InUse { count, named: named(&attached) }),
    }
}

// === with what they have on the disks ===

async fn remove_with_its_data(cluster: &Cluster, kind: &str, plural: &'static str) -> Result<(), UninstallError> {
    let api = ours(cluster, kind, plural);
    let start = Instant::now();
    let mut told = usize::MAX;
    loop {
        let left = list(&api, plural).await?;
        if left.is_empty() {
            return Ok(());
        }
        if left.len() != told {
            tracing::info!(left = left.len(), "removing {plural}");
            told = left.len();
        }
        for object in left.iter().filter(|object| object.metadata.deletion_timestamp.is_none()) {
            delete(&api, object, plural).await?;
        }
        if start.elapsed() > PATIENCE {
            let (count, named) = (left.len(), named(&left.iter().collect::<Vec<_>>()));
            return Err(UninstallError::Stays { plural, count, named, namespace: cluster.namespace.clone() });
        }
        sleep(LOOK_PERIOD).await;
    }
}

// === programs ===

/// What runs, and what leads to it, in the order in which it goes.
fn programs(namespace: &str) -> Vec<Named<'_>> {
    const APPS: &str = "apps/v1";
    const STORAGE: &str = "storage.k8s.io/v1";
    let own = |api_version, kind, name| Named { api_version, kind, name, namespace: Some(namespace) };
    let mut programs =
        vec![own(APPS, "Deployment", "longhorn-driver-deployer"), own(APPS, "DaemonSet", driver::plugin::NAME)];
    for sidecar in driver::sidecars::NAMES {
        programs.push(own(APPS, "Deployment", sidecar));
        programs.push(own("policy/v1", "PodDisruptionBudget", sidecar));
    }
    programs.push(Named { api_version: STORAGE, kind: "CSIDriver", name: driver::DRIVER_NAME, namespace: None });
    // Soon nobody is there to answer it, and without an answer nothing of our kinds could be changed.
    programs.extend(webhooks());
    programs.push(own(APPS, "DaemonSet", "longhorn-manager"));
    programs
}

fn webhooks() -> [Named<'static>; 2] {
    [
        ("ValidatingWebhookConfiguration", "longhorn-webhook-validator"),
        ("MutatingWebhookConfiguration", "longhorn-webhook-mutator"),
    ]
    .map(|(kind, name)| Named { api_version: "admissionregistration.k8s.io/v1", kind, name, namespace: None })
}

async fn remove(cluster: &Cluster, object: &Named<'_>) -> Result<(), Failed> {
    let (api, parameters) = (object.api(&cluster.client), DeleteParams::background());
    if found(format!("deleting {object}"), api.delete(object.name, &parameters)).await?.is_some() {
        tracing::info!("removed {object}");
    }
    Ok(())
}

/// Ends pods, and waits until they have.
async fn remove_pods(cluster: &Cluster, label: &str) -> Result<(), UninstallError> {
    let pods = dynamic::api(&cluster.client, Some(&cluster.namespace), &dynamic::resource("v1", "Pod", "pods"));
    let start = Instant::now();
    loop {
        let listed = asked("reading the pods", pods.list(&ListParams::default().labels(label))).await?.items;
        if listed.is_empty() {
            return Ok(());
        }
        for pod in listed.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
            delete(&pods, pod, "pods").await?;
        }
        if start.elapsed() > PATIENCE {
            let (count, named) = (listed.len(), named(&listed.iter().collect::<Vec<_>>()));
            return Err(UninstallError::Stays { plural: "pods", count, named, namespace: cluster.namespace.clone() });
        }
        sleep(LOOK_PERIOD).await;
    }
}

/// Those of the nodes' instance managers.
async fn remove_budgets(cluster: &Cluster) -> Result<(), UninstallError> {
    for node in list(&ours(cluster, Node::KIND, Node::PLURAL), Node::PLURAL).await? {
        let name = instance_manager::name_of(node.metadata.name.as_deref().unwrap_or_default());
        let namespace = Some(cluster.namespace.as_str());
        let budget = Named { api_version: "policy/v1", kind: "PodDisruptionBudget", name: &name, namespace };
        remove(cluster, &budget).await?;
    }
    Ok(())
}

// === resources alone ===

/// Deletes all of all kinds while no manager can act.
async fn forget_everything(cluster: &Cluster) -> Result<(), UninstallError> {
    let still_acts = || UninstallError::StillActs { namespace: cluster.namespace.clone() };
    let turn = timeout(TURN_PATIENCE, cluster.wait_for_turn("uninstall")).await;
    let mut turn = turn.map_err(|_| still_acts())?;
    let forget = async {
        // The confirmation last: without it, nothing would go on where this one stops.
        let mut kinds = definition::all();
        kinds.sort_by_key(|definition| definition.names.plural == Setting::PLURAL);
        for definition in kinds {
            forget_all(cluster, definition.names.kind, definition.names.plural).await?;
        }
        Ok::<(), Failed>(())
    };
    tokio::select! {
        forgotten = forget => forgotten?,
        () = turn.lost() => return Err(still_acts()),
    }
    drop(turn);
    let lease = Named {
        api_version: "coordination.k8s.io/v1",
        kind: "Lease",
        name: lease::NAME,
        namespace: Some(&cluster.namespace),
    };
    Ok(remove(cluster, &lease).await?)
}

/// Deletes all of a kind, whoever wanted to be asked before.
async fn forget_all(cluster: &Cluster, kind: &str, plural: &'static str) -> Result<(), Failed> {
    let api = ours(cluster, kind, plural);
    for object in list(&api, plural).await? {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        if object.metadata.finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty()) {
            let (nobody, parameters) = (json!({"metadata": {"finalizers": null}}), PatchParams::default());
            found(format!("releasing {kind} {name}"), api.patch(name, &parameters, &Patch::Merge(&nobody))).await?;
        }
        delete(&api, &object, plural).await?;
    }
    Ok(())
}

/// Everything of a kind; nothing where there is no such kind.
async fn list(api: &Api<DynamicObject>, plural: &str) -> Result<Vec<DynamicObject>, Failed> {
    let listed = found(format!("reading {plural}"), api.list(&ListParams::default())).await?;
    Ok(listed.map(|listed| listed.items).unwrap_or_default())
}

/// Whether it was there or not.
async fn delete(api: &Api<DynamicObject>, object: &DynamicObject, plural: &str) -> Result<(), Failed> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    found(format!("deleting {plural} {name}"), api.delete(name, &DeleteParams::background())).await?;
    Ok(())
}

fn named(objects: &[&DynamicObject]) -> String {
    let names = objects.iter().filter_map(|object| object.metadata.name.as_deref());
    let more = if objects.len() > NAMED_MAXIMUM { ", …" } else { "" };
    format!("{}{more}", names.take(NAMED_MAXIMUM).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use aurochs_e2e::ControlPlane;
    use serde_json::Value;

    use super::super::NAMESPACE;
    use super::super::tests as planes;
    use super::*;

    fn make(plane: &ControlPlane, kind: &str, name: &str, finalizers: &[&str], rest: &Value) {
        let mut object = json!({"apiVersion": "longhorn.io/v1beta2", "kind": kind,
            "metadata": {"name": name, "namespace": NAMESPACE, "finalizers": finalizers}});
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        plane.kubectl(&["apply", "-f", "-"], &object.to_string()).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a Kubernetes API server: make test-k8s"]
    async fn nothing_goes_unconfirmed_and_then_everything() {
        let plane = planes::plane().await;
        let cluster = planes::as_account(&plane, "longhorn-service-account").await;
        let left = |kinds: &str| plane.kubectl(&["-n", NAMESPACE, "get", kinds, "-o", "name"], "").unwrap();
        // Nothing is installed.
        run(&cluster, false).await.unwrap();
        let confirmation = |value: &str| {
            make(&plane, "Setting", "deleting-confirmation-flag", &[], &json!({"value": value}));
        };
        confirmation("false");
        make(&plane, "Volume", "data", &[], &json!({"spec": {}}));
        make(&plane, "Backup", "kept-in-its-store", &["longhorn.io"], &json!({"spec": {}}));
        let refused = run(&cluster, true).await.unwrap_err().to_string();
        assert!(refused.contains("deleting-confirmation-flag"), "{refused}");
        assert_eq!(left("volumes.longhorn.io,backups.longhorn.io").lines().count(), 2);

        confirmation("true");
        let attached = r#"{"status": {"state": "attached"}}"#;
        let patch = [
            "-n",
            NAMESPACE,
            "patch",
            "volumes.longhorn.io",
            "data",
            "--subresource=status",
            "--type=merge",
            "-p",
            attached,
        ];
        plane.kubectl(&patch, "").unwrap();
        assert!(matches!(run(&cluster, false).await, Err(UninstallError::InUse { count: 1, .. })));
        run(&cluster, true).await.unwrap();
        let kinds: Vec<String> = definition::all().iter().map(definition::Definition::name).collect();
        assert_eq!(left(&kinds.join(",")), "");
        assert_eq!(left("leases.coordination.k8s.io"), "");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs a Kubernetes API server: make test-k8s"]
    async fn a_manager_that_still_acts_stops_it_before_backups_go() {
        let plane = planes::plane().await;
        let cluster = planes::as_account(&plane, "longhorn-service-account").await;
        make(&plane, "Setting", "deleting-confirmation-flag", &[], &json!({"value": "true"}));
        make(&plane, "Backup", "kept", &["longhorn.io"], &json!({"spec": {}}));
        let turn = cluster.wait_for_turn("a manager").await;
        assert!(matches!(run(&cluster, true).await, Err(UninstallError::StillActs { .. })));
        let object = plane.kubectl(&["-n", NAMESPACE, "get", "backups.longhorn.io", "kept", "-o", "json"], "").unwrap();
        assert!(object.contains("\"longhorn.io\"") && !object.contains("deletionTimestamp"), "{object}");
        drop(turn);
    }
}
