//! Instance managers, each with the engines and replicas that it runs: together they are what Longhorn's pod is.

use super::World;
use crate::metrics::machine::{self, Usage};
use crate::metrics::page::Page;
use crate::resources::{InstanceManager, Object};

/// Only processes of this program are counted: a node on another machine has process ids of its own.
const PROGRAM: &str = "aurochs-engine";

pub(super) fn write(page: &mut Page, world: &World) {
    let used: Vec<_> = world.instance_managers.iter().filter_map(|manager| Some((manager, usage(manager)?))).collect();
    let mut gauge = |name, help, value: fn(&Usage) -> f64| {
        let mut family = page.gauge(name, help);
        for (manager, usage) in &used {
            let spec = &manager.spec;
            let labels = [
                ("node", spec.node_id.as_str()),
                ("instance_manager", manager.name()),
                ("instance_manager_type", &spec.kind),
            ];
            family.sample(&labels, value(usage));
        }
    };
    gauge(
        "longhorn_instance_manager_cpu_usage_millicpu",
        "Processors in use by the node's engines and replicas.",
        |usage| usage.cpu_millicpu,
    );
    gauge(
        "longhorn_instance_manager_memory_usage_bytes",
        "Memory in use by the node's engines and replicas.",
        |usage| usage.memory_bytes,
    );
}

fn usage(manager: &Object<InstanceManager>) -> Option<Usage> {
    let status = &manager.status;
    let own = machine::usage_of(status.pid, PROGRAM)?;
    let instances = status.instance_engines.values().chain(status.instance_replicas.values());
    let sum = instances.filter_map(|process| machine::usage_of(process.pid, PROGRAM)).fold(own, |sum, one| Usage {
        cpu_millicpu: sum.cpu_millicpu + one.cpu_millicpu,
        memory_bytes: sum.memory_bytes + one.memory_bytes,
    });
    Some(sum)
}
