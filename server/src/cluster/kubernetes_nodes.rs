//! What Kubernetes says of its nodes, taken over by ours of the same names:
//!
//! | Kubernetes' Node | ours |
//! |---|---|
//! | `spec.unschedulable` (`kubectl cordon`) | `spec.cordoned`, with the annotation [`BY_KUBERNETES`] |
//! | labels of region and zone, `node.longhorn.io/create-default-disk` | the same labels |
//! | annotations `node.longhorn.io/default-disks-config`, `…/default-node-tags` | the same annotations |
//!
//! A node that was cordoned in the dashboard stays so until somebody uncordons it there: Kubernetes ends only what it began. A label
//! that Kubernetes' node does not have is left as it is on ours. A Node of ours whose machine is gone shows as down, and is deleted
//! by a person: its replicas may hold the last data of a volume.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Node as Machine;
use kube::api::{Api, ListParams, WatchEvent as Told, WatchParams};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Cluster;
use super::dynamic::{Failed, asked};
use crate::resources::node::{
    ANNOTATION_DEFAULT_DISKS, ANNOTATION_DEFAULT_TAGS, LABEL_CREATE_DEFAULT_DISK, LABEL_REGION, LABEL_ZONE,
};
use crate::resources::{Node, Object};
use crate::store::{Store, Watch, WatchEvent};

/// Annotation of a Node of ours that Kubernetes has cordoned.
pub const BY_KUBERNETES: &str = "aurochs.io/cordoned-by-kubernetes";
const LABELS: [&str; 3] = [LABEL_REGION, LABEL_ZONE, LABEL_CREATE_DEFAULT_DISK];
const ANNOTATIONS: [&str; 2] = [ANNOTATION_DEFAULT_DISKS, ANNOTATION_DEFAULT_TAGS];

/// The API server ends a watch after this many seconds; the next one goes on where it ended.
const WATCH_SECONDS: u32 = 240;
/// Pause before the next watch, however soon the one before has ended.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// Pause after something failed.
const PAUSE: Duration = Duration::from_secs(10);

/// What counts of a node of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Facts {
    cordoned: bool,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl Facts {
    fn of(machine: Machine) -> Self {
        let some = |all: Option<BTreeMap<String, String>>, wanted: &[&str]| -> BTreeMap<String, String> {
            all.unwrap_or_default().into_iter().filter(|(key, _)| wanted.contains(&key.as_str())).collect()
        };
        Self {
            cordoned: machine.spec.and_then(|spec| spec.unschedulable).unwrap_or_default(),
            labels: some(machine.metadata.labels, &LABELS),
            annotations: some(machine.metadata.annotations, &ANNOTATIONS),
        }
    }

    /// Takes them over; true when that changed anything.
    fn apply(&self, node: &mut Object<Node>) -> bool {
        let before = (node.spec.cordoned, node.metadata.labels.clone(), node.metadata.annotations.clone());
        let annotations = &mut node.metadata.annotations;
        if self.cordoned && !node.spec.cordoned {
            node.spec.cordoned = true;
            annotations.insert(BY_KUBERNETES.to_owned(), "true".to_owned());
        } else if !self.cordoned && annotations.remove(BY_KUBERNETES).is_some() {
            node.spec.cordoned = false;
        }
        annotations.extend(self.annotations.clone());
        node.metadata.labels.extend(self.labels.clone());
        before != (node.spec.cordoned, node.metadata.labels.clone(), node.metadata.annotations.clone())
    }
}

/// Takes over what there is and what changes, until the task is aborted.
pub fn follow(cluster: &Cluster, store: &Store) -> JoinHandle<()> {
    let machines: Api<Machine> = Api::all(cluster.client.clone());
    let mut following = Following { store: store.clone(), known: BTreeMap::new() };
    let mut ours = store.watch::<Node>();
    tokio::spawn(async move {
        let mut complained = String::new();
        loop {
            match following.all(&machines).await {
                Ok(version) => {
                    complained.clear();
                    following.until_broken(&machines, version, &mut ours).await;
                }
                Err(error) => {
                    let complaint = error.to_string();
                    if complaint != complained {
                        tracing::warn!(
                            error = complaint,
                            "what Kubernetes says of its nodes is not known; trying again"
                        );
                    }
                    complained = complaint;
                    sleep(PAUSE).await;
                }
            }
        }
    })
}

struct Following {
    store: Store,
    /// By name.
    known: BTreeMap<String, Facts>,
}

impl Following {
    /// Takes over all; answers with the version of the list.
    async fn all(&mut self, machines: &Api<Machine>) -> Result<String, Failed> {
        let listed = asked("reading Kubernetes' nodes", machines.list(&ListParams::default())).await?;
        self.known.clear();
        for machine in listed.items {
            self.take(machine).await;
        }
        Ok(listed.metadata.resource_version.unwrap_or_default())
    }

    /// Goes on from the version, until everything has to be read again.
    async fn until_broken(&mut self, machines: &Api<Machine>, mut version: String, ours: &mut Watch<Node>) {
        loop {
            let asked = WatchParams::default().timeout(WATCH_SECONDS);
            let events = match machines.watch(&asked, &version).await {
                Ok(events) => events,
                Err(error) => {
                    tracing::debug!(%error, "Kubernetes' nodes can't be watched; reading them again");
                    return sleep(PAUSE).await;
                }
            };
            pin_mut!(events);
            loop {
                let told = tokio::select! {
                    told = events.next() => told,
                    event = ours.next() => {
                        match event {
                            Some(WatchEvent::Applied(node)) => self.give(node.name(), Some(&node)).await,
                            Some(WatchEvent::Deleted(_)) => {}
                            // The store ends, and this task with it.
                            None => return sleep(PAUSE).await,
                        }
                        continue;
                    }
                };
                match told {
                    Some(Ok(Told::Added(machine) | Told::Modified(machine))) => {
                        version = machine.metadata.resource_version.clone().unwrap_or(version);
                        self.take(machine).await;
                    }
                    Some(Ok(Told::Deleted(machine))) => {
                        version = machine.metadata.resource_version.unwrap_or(version);
                        self.known.remove(&machine.metadata.name.unwrap_or_default());
                    }
                    Some(Ok(Told::Bookmark(mark))) => version = mark.metadata.resource_version,
                    Some(Ok(Told::Error(status))) => {
                        tracing::debug!(%status, "the watch of Kubernetes' nodes has ended; reading them again");
                        return sleep(PAUSE).await;
                    }
                    Some(Err(error)) => {
                        tracing::debug!(%error, "the watch of Kubernetes' nodes broke; reading them again");
                        return sleep(PAUSE).await;
                    }
                    None => break sleep(RECONNECT_PAUSE).await,
                }
            }
        }
    }

    async fn take(&mut self, machine: Machine) {
        let Some(name) = machine.metadata.name.clone() else { return };
        let facts = Facts::of(machine);
        // kubelet writes every few minutes, and what it writes does not count.
        if self.known.insert(name.clone(), facts.clone()).as_ref() != Some(&facts) {
            self.give(&name, None).await;
        }
    }

    /// Gives ours of this name what is known; `seen` is how it was a moment ago, if that is known.
    async fn give(&self, name: &str, seen: Option<&Object<Node>>) {
        let Some(facts) = self.known.get(name) else { return };
        if seen.is_some_and(|node| node.is_deleting() || !facts.apply(&mut node.clone())) {
            return;
        }
        let change = |node: &mut Object<Node>| {
            facts.apply(node);
        };
        match self.store.modify::<Node>(name, change).await {
            Ok(node) => {
                tracing::debug!(name, cordoned = node.spec.cordoned, "took over what Kubernetes says of a node")
            }
            // One that is no node of ours, or not yet.
            Err(error) if error.is_not_found() => {}
            Err(error) => tracing::warn!(name, %error, "what Kubernetes says of a node is not taken over"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resources::node::NodeSpec;

    fn facts(machine: serde_json::Value) -> Facts {
        Facts::of(serde_json::from_value(machine).unwrap())
    }

    fn cordoned(unschedulable: bool) -> Facts {
        facts(json!({"metadata": {"name": "a"}, "spec": {"unschedulable": unschedulable}}))
    }

    fn ours(cordoned: bool) -> Object<Node> {
        Object::new("a", NodeSpec { cordoned, ..NodeSpec::default() })
    }

    #[test]
    fn kubernetes_ends_only_what_it_began() {
        let mut node = ours(false);
        assert!(cordoned(true).apply(&mut node) && node.spec.cordoned);
        assert!(!cordoned(true).apply(&mut node), "nothing to write");
        assert!(cordoned(false).apply(&mut node) && !node.spec.cordoned);
        assert!(!cordoned(false).apply(&mut node));
        // Somebody did it in the dashboard before, and Kubernetes too.
        let mut node = ours(true);
        assert!(!cordoned(true).apply(&mut node) && !cordoned(false).apply(&mut node) && node.spec.cordoned);
    }

    #[test]
    fn only_what_counts_is_taken_over() {
        let machine = json!({"metadata": {
            "name": "a",
            "labels": {LABEL_ZONE: "z", LABEL_CREATE_DEFAULT_DISK: "config", "kubernetes.io/os": "linux"},
            "annotations": {ANNOTATION_DEFAULT_DISKS: "[]", "other": "x"},
        }});
        let mut node = ours(false);
        node.metadata.labels.insert("mine".into(), "m".into());
        assert!(facts(machine.clone()).apply(&mut node));
        let keys: Vec<&str> = node.metadata.labels.keys().map(String::as_str).collect();
        assert_eq!(keys, ["mine", LABEL_CREATE_DEFAULT_DISK, LABEL_ZONE]);
        assert_eq!(node.metadata.annotations, [(ANNOTATION_DEFAULT_DISKS.to_owned(), "[]".to_owned())].into());
        assert!(!facts(machine).apply(&mut node));
        // What is not said is left as it is.
        assert!(!facts(json!({"metadata": {"name": "a"}})).apply(&mut node));
    }
}
