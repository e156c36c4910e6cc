//! Mirrors what the instance managers tell into InstanceManager resources.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurochs_api::instance_manager::{InstanceProcess, InstanceProcessSpec, InstanceProcessStatus};
use aurochs_engine::grpc::instance_v1::{Instance, InstanceKind};
use sha2::{Digest, Sha512};
use tokio::task::JoinHandle;

use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error, engine_image};
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

/// What a node's is to be.
#[must_use]
pub fn spec_of(node: &str) -> InstanceManagerSpec {
    InstanceManagerSpec {
        node_id: node.to_owned(),
        kind: "aio".to_owned(),
        data_engine: "v1".to_owned(),
        image: engine_image::default_image(),
    }
}

/// The image and the instance manager of an engine's or replica's process: none where none runs, as before (`None`) where
/// nobody can tell.
pub(super) fn runs_as(state: InstanceState, image: &str, node: &str) -> Option<(String, String)> {
    match state {
        InstanceState::Stopped | InstanceState::Error => Some(Default::default()),
        InstanceState::Unknown => None,
        InstanceState::Starting | InstanceState::Running | InstanceState::Stopping => {
            Some((engine_image::named(image), name_of(node)))
        }
    }
}

struct Mirror(Context);

/// Keys are node names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    context.clients.nodes().iter().for_each(|node| queue.add(node));
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
        let answering = context.instances.answering(node);
        if context.store.find::<InstanceManager>(&name).await?.is_none() {
            if !matches!(answering, Answering::Yes { .. }) {
                // A node that was taken away leaves nothing behind; one that has never been up has nothing to tell.
                return Ok(Next::After(runtime::RESYNC));
            }
            context.store.create(&Object::<InstanceManager>::new(&name, spec_of(node))).await?;
        }
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
    let state = crate::instance::state_of(instance).word();
    let kind = match instance.kind() {
        InstanceKind::Engine => "engine",
        InstanceKind::Replica => "replica",
        InstanceKind::Unspecified => "",
    };
    InstanceProcess {
        spec: InstanceProcessSpec { name: instance.name.clone(), data_engine: "v1".to_owned() },
        status: InstanceProcessStatus {
            state: state.to_owned(),
            kind: kind.to_owned(),
            listen: instance.address.clone(),
            error_msg: instance.error.clone(),
            uuid: instance.pid.to_string(),
            ..InstanceProcessStatus::default()
        },
        state: state.to_owned(),
        address: instance.address.clone(),
        pid: instance.pid,
        error: instance.error.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_engine::grpc::instance_v1::InstanceState as Told;

    /// Longhorn's `{spec, status}` and our own words say the same.
    #[test]
    fn a_process_in_longhorns_form() {
        let engine = Instance {
            name: "v-e-0".into(),
            kind: InstanceKind::Engine.into(),
            state: Told::Running.into(),
            address: "unix:/run/e".into(),
            pid: 7,
            ..Instance::default()
        };
        let mut status = InstanceManagerStatus::default();
        let answering = Answering::Yes { version: "1".into(), pid: 3 };
        mirror(&mut status, &answering, &[engine]);
        let json = serde_json::to_value(&status.instance_engines["v-e-0"]).unwrap();
        assert_eq!(json["spec"], serde_json::json!({"name": "v-e-0", "dataEngine": "v1"}));
        let told = &json["status"];
        assert_eq!((&told["state"], &told["type"], &told["uuid"]), (&"running".into(), &"engine".into(), &"7".into()));
        assert_eq!(
            (&told["listen"], &json["state"], &json["pid"]),
            (&"unix:/run/e".into(), &"running".into(), &7.into())
        );
        assert!(status.instance_replicas.is_empty());
        // What a silent instance manager had is not known to be gone.
        mirror(&mut status, &Answering::No { since: String::new(), error: String::new() }, &[]);
        assert_eq!((status.current_state, status.instance_engines.len()), (InstanceState::Unknown, 1));
    }
}
