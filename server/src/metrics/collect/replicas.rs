//! Replicas.

use super::{INSTANCE_STATES, World, states_of};
use crate::metrics::page::Page;

pub(super) fn write(page: &mut Page, world: &World) {
    let mut family = page.gauge("longhorn_replica_info", "The replica, as far as it does not change: always 1.");
    for replica in &world.replicas {
        let spec = &replica.spec;
        let labels = [
            ("replica", replica.name()),
            ("volume", &spec.volume_name),
            ("node", &spec.node_id),
            ("disk_path", &spec.disk_path),
            ("data_engine", &spec.data_engine),
        ];
        family.sample(&labels, 1.0);
    }
    let mut family = page.gauge("longhorn_replica_state", "State of the replica: 1 for the present one.");
    for replica in &world.replicas {
        let (volume, node) = (replica.spec.volume_name.as_str(), replica.spec.node_id.as_str());
        let labels = [("replica", replica.name()), ("volume", volume), ("node", node)];
        states_of(&mut family, &labels, &INSTANCE_STATES, replica.status.current_state.word());
    }
}
