//! A PodDisruptionBudget for each instance manager: its pod is not evicted (`kubectl drain`, an autoscaler) while that would take
//! volumes away.
//!
//! Every node has one, and loses it only while it is cordoned and may go under the setting `node-drain-policy`
//! ([`crate::controllers::drain`]): no volume is attached there, and, but for `always-allow`, the data of its replicas is
//! elsewhere too. A drain cordons first, and tries again what is refused.
//!
//! Invariant: **where nobody knows whether the node may go, the budget is there**: one is deleted only after a verdict of this pass.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;
use tokio::task::JoinHandle;

use super::Cluster;
use super::dynamic::{asked, found};
use crate::controllers::instance_manager::name_of;
use crate::controllers::queue::WorkQueue;
use crate::controllers::runtime::{self, Controller, Next};
use crate::controllers::{Context, Error, node};
use crate::resources::{Engine, Node, Replica};

/// A node is looked at again after this long, whatever happens.
const RESYNC: Duration = Duration::from_secs(60);

struct Budgets {
    context: Context,
    client: Client,
    namespace: String,
}

/// Keeps the budgets of all nodes, until the tasks are aborted. Keys are node names.
#[must_use]
pub fn start(cluster: &Cluster, context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let of_engine = |engine: &crate::resources::Object<Engine>| vec![engine.spec.node_id.clone()];
    let of_replica = |replica: &crate::resources::Object<Replica>| vec![replica.spec.node_id.clone()];
    let budgets =
        Budgets { context: context.clone(), client: cluster.client.clone(), namespace: cluster.namespace.clone() };
    vec![
        runtime::feed_from_store::<Node>(&context.store, &queue, |node| vec![node.name().to_owned()]),
        runtime::feed_from_store::<Engine>(&context.store, &queue, of_engine),
        runtime::feed_from_store::<Replica>(&context.store, &queue, of_replica),
        runtime::feed_from_settings::<Node>(&context.store, &context.settings, &queue),
        runtime::run(Arc::new(budgets), queue),
    ]
}

impl Controller for Budgets {
    const NAME: &'static str = "disruption";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        if name.is_empty() {
            return Ok(Next::Wait);
        }
        let api: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), &self.namespace);
        let budget = name_of(name);
        let failed = |error: super::dynamic::Failed| Error::Other(error.to_string());
        let there =
            asked(format!("reading PodDisruptionBudget {budget}"), api.get_opt(&budget)).await.map_err(failed)?;
        let node = self.context.store.find::<Node>(name).await?;
        let is_wanted = match &node {
            // Its pod is of no node either.
            None => false,
            Some(node) if !node.spec.cordoned => true,
            Some(node) => !node::verdict(&self.context, node).await?.is_some_and(|(_, verdict)| verdict.may_go()),
        };
        match (is_wanted, there.is_some()) {
            (true, false) => {
                let (object, parameters) = (self.object(name)?, PostParams::default());
                asked(format!("making PodDisruptionBudget {budget}"), api.create(&parameters, &object))
                    .await
                    .map_err(failed)?;
                tracing::info!(node = name, "the instance manager is protected from eviction");
            }
            (false, true) => {
                let parameters = DeleteParams::default();
                found(format!("deleting PodDisruptionBudget {budget}"), api.delete(&budget, &parameters))
                    .await
                    .map_err(failed)?;
                tracing::info!(node = name, "the instance manager may be evicted");
            }
            _ => {}
        }
        Ok(if node.is_some() { Next::After(RESYNC) } else { Next::Wait })
    }
}

impl Budgets {
    fn object(&self, node: &str) -> Result<PodDisruptionBudget, Error> {
        let object = json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {
                "name": name_of(node),
                "namespace": self.namespace,
                "labels": {"longhorn.io/managed-by": "longhorn-manager", "longhorn.io/component": "instance-manager"},
            },
            "spec": {
                "minAvailable": 1,
                "selector": {"matchLabels": {"longhorn.io/component": "instance-manager", "longhorn.io/node": node}},
            },
        });
        serde_json::from_value(object).map_err(|error| Error::Other(error.to_string()))
    }
}
