//! Instance managers in pods: the manager of a node, which is a pod itself, keeps one for its node.
//!
//! Engines and replicas are processes of that pod. It is no part of a DaemonSet, which would replace it with every change: an
//! upgrade leaves it as it is while a volume uses it.
//!
//! Invariant: **a pod with an engine or a replica in it is not deleted from here.** What is wanted otherwise than it is waits until
//! it is empty (test: `one_that_is_in_use_stays`). One that has ended, by whomever, is made anew.

mod object;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use aurochs_engine::grpc::instance_v1::InstanceListRequest;
use aurochs_engine::instance::host;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use tokio::task::JoinHandle;

use super::driver::system_pods::{SystemPods, SystemPodsError};
use super::dynamic::{Failed, asked, found};
use super::{Cluster, change};
use crate::controllers::Context;
use crate::controllers::instance_manager::name_of;
use crate::instance::{Clients, LOOK_TIMEOUT, within};
use crate::resources::Setting;
use crate::settings::{self, Settings};
use crate::store::Store;
use object::Wanted;

/// The pod is looked at again after this long, whatever happens. The API server ends a watch after five minutes by itself.
const RESYNC: Duration = Duration::from_secs(240);
/// The same while something is wished of it that has not come about.
const PAUSE: Duration = Duration::from_secs(10);
/// Between two looks whether the settings are there, at the first start.
const SETTINGS_PAUSE: Duration = Duration::from_secs(1);

/// Why there can't be instance managers in pods.
#[derive(Debug, thiserror::Error)]
pub enum PodsError {
    #[error(
        "--instance-manager-image is for a manager that is a pod itself: the variable POD_NAME, which names it, is not set"
    )]
    NoPod,
    #[error(transparent)]
    Asked(#[from] Failed),
    #[error(
        "the pod {pod} has its data directory {} not from a directory of its node (hostPath) that is the node's for an instance \
         manager too, as below /var/lib; mount one", data.display()
    )]
    NotOfTheNode { pod: String, data: PathBuf },
    #[error(transparent)]
    Setting(#[from] SystemPodsError),
    #[error("the instance manager's pod can't be made: {0}")]
    Form(#[from] serde_json::Error),
}

/// Of one node.
pub struct Pods {
    client: Client,
    namespace: String,
    node: String,
    /// Of Kubernetes' node.
    node_uid: String,
    image: String,
    /// The manager's data directory, as it is called on the node.
    data: String,
}

/// What is to be done with the pod.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Make,
    /// It is on its way out.
    Wait,
    /// Nothing of it runs: gone first, then made anew.
    TakeAway,
    /// It is another one than is wanted.
    ReplaceOnceEmpty,
    Nothing,
}

impl Pods {
    /// Finds out what this manager's own pod has of its node.
    ///
    /// # Errors
    /// This is no pod, it can't be read, or its data directory is not its node's.
    pub async fn open(cluster: &Cluster, node: &str, image: &str, data: &Path) -> Result<Self, PodsError> {
        let name = std::env::var("POD_NAME").ok().filter(|name| !name.is_empty()).ok_or(PodsError::NoPod)?;
        let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let pod = asked(format!("reading the pod {name}"), api.get(&name)).await?;
        let on_the_node = on_the_node(&pod, data).filter(|path| !host::is_of_a_container(Path::new(path)));
        let data = on_the_node.ok_or(PodsError::NotOfTheNode { pod: name, data: data.to_owned() })?;
        let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(cluster.client.clone());
        let machine = asked(format!("reading Kubernetes' node {node}"), nodes.get_metadata(node)).await?;
        Ok(Self {
            client: cluster.client.clone(),
            namespace: cluster.namespace.clone(),
            node: node.to_owned(),
            node_uid: machine.metadata.uid.unwrap_or_default(),
            image: image.to_owned(),
            data,
        })
    }

    /// Keeps the pod, and tells `local` where it is, until the task is aborted.
    pub(crate) fn keep(self, context: &Context, local: Clients) -> JoinHandle<()> {
        let (store, settings) = (context.store.clone(), context.settings.clone());
        tokio::spawn(async move {
            until_settled(&store).await;
            let (api, name) = (self.api(), name_of(&self.node));
            let (mut changed, mut complained, mut failures) = (settings.changed(), String::new(), 0_u32);
            loop {
                let (step, version) = match self.pass(&settings, &local).await {
                    Ok(done) => {
                        complained.clear();
                        done
                    }
                    Err(error) => {
                        let complaint = error.to_string();
                        if complaint != complained {
                            let node = &self.node;
                            tracing::warn!(node, error = complaint, "no instance manager can be kept; trying again");
                        }
                        complained = complaint;
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                };
                failures = match step {
                    Step::TakeAway => failures + 1,
                    Step::Make | Step::Wait => failures,
                    Step::ReplaceOnceEmpty | Step::Nothing => 0,
                };
                if step == Step::TakeAway && failures > 1 {
                    // What fails at once would be made and taken away without an end.
                    tokio::time::sleep(PAUSE * failures.min(30)).await;
                }
                let patience = if step == Step::Nothing { RESYNC } else { PAUSE };
                tokio::select! {
                    () = change::wait_for_one(&api, &name, &version, patience) => {}
                    _ = changed.changed() => {}
                }
            }
        })
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Brings the pod nearer to what is wanted. Answers with what was done, and the version that was looked at.
    async fn pass(&self, settings: &Settings, local: &Clients) -> Result<(Step, String), PodsError> {
        let (api, name) = (self.api(), name_of(&self.node));
        let wanted = object::pod(&self.wanted(settings)?);
        let there = asked(format!("reading the pod {name}"), api.get_opt(&name)).await?;
        let mark = wanted["metadata"]["annotations"][object::MADE_BY].as_str().unwrap_or_default();
        let step = step(there.as_ref(), mark);
        let Some(there) = there else {
            let (pod, parameters) = (serde_json::from_value(wanted)?, PostParams::default());
            let made: Pod = asked(format!("making the pod {name}"), api.create(&parameters, &pod)).await?;
            tracing::info!(node = self.node, pod = name, image = self.image, "made the instance manager");
            return Ok((step, made.metadata.resource_version.unwrap_or_default()));
        };
        let ip = there.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse().ok());
        if let Some(ip) = ip {
            local.bring(&self.node, &object::address(ip));
        }
        match step {
            Step::Make | Step::Wait | Step::Nothing => {}
            Step::TakeAway => self.delete(&there).await?,
            Step::ReplaceOnceEmpty => {
                if is_empty(local, &self.node).await {
                    tracing::info!(
                        node = self.node,
                        pod = name,
                        "nobody uses the instance manager, and one of now replaces it"
                    );
                    self.delete(&there).await?;
                }
            }
        }
        Ok((step, there.metadata.resource_version.unwrap_or_default()))
    }

    /// Deletes it as it was seen: one that has begun to run since stays.
    async fn delete(&self, pod: &Pod) -> Result<(), PodsError> {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let as_seen =
            Preconditions { uid: pod.metadata.uid.clone(), resource_version: pod.metadata.resource_version.clone() };
        let (api, parameters) = (self.api(), DeleteParams::default().preconditions(as_seen));
        found(format!("deleting the pod {name}"), api.delete(name, &parameters)).await?;
        Ok(())
    }

    fn wanted(&self, settings: &Settings) -> Result<Wanted, PodsError> {
        Ok(Wanted {
            namespace: self.namespace.clone(),
            node: self.node.clone(),
            node_uid: self.node_uid.clone(),
            image: self.image.clone(),
            data: self.data.clone(),
            pods: SystemPods::of_one_node(settings)?,
            log: std::env::var("AUROCHS_LOG").unwrap_or_default(),
        })
    }
}

/// Returns when every setting is there: whoever acts has taken the release's before it made the others, and a pod that is made before
/// would soon be another one than is wanted.
async fn until_settled(store: &Store) {
    loop {
        let there = store.list_shared::<Setting>().await.unwrap_or_default();
        if settings::all().iter().all(|row| there.iter().any(|setting| setting.name() == row.name.word())) {
            return;
        }
        tokio::time::sleep(SETTINGS_PAUSE).await;
    }
}

/// What is to be done with the pod that is there, so that there is one that `made_by` says.
fn step(there: Option<&Pod>, made_by: &str) -> Step {
    let Some(pod) = there else { return Step::Make };
    if pod.metadata.deletion_timestamp.is_some() {
        return Step::Wait;
    }
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    if matches!(phase, "Failed" | "Succeeded") {
        return Step::TakeAway;
    }
    let made = pod.metadata.annotations.as_ref().and_then(|all| all.get(object::MADE_BY)).map(String::as_str);
    match made == Some(made_by) {
        true => Step::Nothing,
        // An image that does not come, a program that ends at once: nobody would ever say that it is empty.
        false if !runs(pod) => Step::TakeAway,
        false => Step::ReplaceOnceEmpty,
    }
}

/// Whether processes may be in it: they end with the container, whose namespace of processes they are in.
fn runs(pod: &Pod) -> bool {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let states = containers
        .filter(|container| container.name == object::CONTAINER)
        .filter_map(|container| container.state.as_ref());
    let mut states = states.peekable();
    // kubelet has not told of it: nobody knows.
    if states.peek().is_none() {
        return true;
    }
    states.any(|state| state.running.is_some())
}

/// Whether the node's instance manager says that it has no process. One that says nothing may have some.
async fn is_empty(local: &Clients, node: &str) -> bool {
    let Ok(mut manager) = local.manager(node) else { return false };
    let listed = manager.instance_list(within(LOOK_TIMEOUT, InstanceListRequest {})).await;
    listed.is_ok_and(|reply| reply.into_inner().instances.is_empty())
}

/// The directory of the node that a container of the pod has at `path`.
fn on_the_node(pod: &Pod, path: &Path) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let mounts = spec.containers.iter().flat_map(|container| container.volume_mounts.iter().flatten());
    // The one that is nearest to it.
    let mount =
        mounts.filter(|mount| path.starts_with(&mount.mount_path)).max_by_key(|mount| mount.mount_path.len())?;
    let volume = spec.volumes.iter().flatten().find(|volume| volume.name == mount.name)?;
    let directory = Path::new(&volume.host_path.as_ref()?.path);
    let inside = mount.sub_path.as_deref().unwrap_or_default();
    let rest = path.strip_prefix(&mount.mount_path).ok()?;
    let whole = directory.join(inside).join(rest);
    Some(whole.to_str()?.trim_end_matches('/').to_owned())
}
