//! Mirrors what the instance managers tell into InstanceManager resources.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurochs_api::instance_manager::InstanceProcess;
use aurochs_engine::grpc::instance_v1::{Instance, InstanceKind};
use sha2::{Digest, Sha512};
use tokio::task::JoinHandle;

use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::instance::{Answering, InstanceChange};
use crate::resources::engine::InstanceState;
use crate::resources::instance_manager::{InstanceManagerSpec, InstanceManagerStatus};
use crate::resources::{InstanceManager, Object};

/// `instance-manager-<32 hex>` of the node, in Longhorn's form.
#[must_use]
pub fn name_of(node: &str) -> String {
    use std::fmt::Write;
    let digest = Sha512::digest(format!("{node}v1"));
    digest.iter().take(16).fold("instance-manager-".to_owned(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

struct Mirror(Context);

/// Keys are node names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    context.clients.nodes().for_each(|node| queue.add(node));
    let fed = runtime::feed_from_instances(&context.instances, &queue, |change| match change {
        InstanceChange::Node(node) | InstanceChange::Instance { node, .. } => vec![node.clone()],
    });
    vec![fed, runtime::run(Arc::new(Mirror(context.clone())), queue)]
}

impl Controller for Mirror {
    const NAME: &'static str = "instance-manager";

    async fn reconcile(&self, node: &str) -> Result<Next, Error> {
        let Self(context) = self;
        let name = name_of(node);
        if context.store.find::<InstanceManager>(&name).await?.is_none() {
            let spec = InstanceManagerSpec {
                node_id: node.to_owned(),
                kind: "aio".to_owned(),
                data_engine: "v1".to_owned(),
                ..InstanceManagerSpec::default()
            };
            context.store.create(&Object::<InstanceManager>::new(&name, spec)).await?;
        }
        let answering = context.instances.answering(node);
        let instances = context.instances.of_node(node);
        let change = |status: &mut InstanceManagerStatus| {
            status.owner_id = context.owner.to_string();
            mirror(status, &answering, &instances);
        };
        context.store.modify_status::<InstanceManager>(&name, change).await?;
        Ok(Next::After(runtime::RESYNC))
    }
}

fn mirror(status: &mut InstanceManagerStatus, answering: &Answering, instances: &[Instance]) {
    let (state, pid, version) = match answering {
        // Its processes may run on; the last list stays until it is heard again.
        Answering::NotYet => return,
        Answering::No { .. } => {
            (status.current_state, status.pid) = (InstanceState::Unknown, 0);
            return;
        }
        Answering::Yes { version, pid } => (InstanceState::Running, *pid, version.clone()),
    };
    (status.current_state, status.pid, status.version) = (state, pid, version);
    let of_kind = |kind: InstanceKind| -> BTreeMap<String, InstanceProcess> {
        let kept = instances.iter().filter(|instance| instance.kind() == kind);
        kept.map(|instance| (instance.name.clone(), process(instance))).collect()
    };
    status.instance_engines = of_kind(InstanceKind::Engine);
    status.instance_replicas = of_kind(InstanceKind::Replica);
}

fn process(instance: &Instance) -> InstanceProcess {
    InstanceProcess {
        state: crate::instance::state_of(instance).word().to_owned(),
        address: instance.address.clone(),
        pid: instance.pid,
        error: instance.error.clone(),
    }
}
