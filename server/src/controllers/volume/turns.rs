//! Whose turn it is to be rebuilt: so many at once on each node, over all volumes.

use std::collections::BTreeMap;

use aurochs_api::replica::ReplicaMode;

use super::super::{Context, Error};
use crate::resources::engine::InstanceState;
use crate::resources::{Engine, Object, Replica};
use crate::settings::Name;

/// The rebuilds that run on each node, and how many may.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    by_node: BTreeMap<String, u64>,
    pub limit: u64,
}

impl Turns {
    /// Counts those whose process is only coming up as well, or several would start in one moment.
    pub(super) async fn count(context: &Context) -> Result<Self, Error> {
        let engines = context.store.list::<Engine>().await?;
        let engines: BTreeMap<&str, &Object<Engine>> = engines.iter().map(|engine| (engine.name(), engine)).collect();
        let mut by_node: BTreeMap<String, u64> = BTreeMap::new();
        for replica in context.store.list::<Replica>().await? {
            if engines.get(replica.spec.engine_name.as_str()).is_some_and(|engine| is_joining(&replica, engine)) {
                *by_node.entry(replica.spec.node_id.clone()).or_default() += 1;
            }
        }
        Ok(Self { by_node, limit: context.settings.number(Name::ConcurrentReplicaRebuildPerNodeLimit) })
    }

    pub(super) fn running_on(&self, node: &str) -> u64 {
        self.by_node.get(node).copied().unwrap_or_default()
    }
}

fn is_joining(replica: &Object<Replica>, engine: &Object<Engine>) -> bool {
    let wished = replica.spec.desire_state == InstanceState::Running && !replica.spec.has_failed();
    let status = &engine.status;
    let serves = status.replica_mode_map.get(replica.name()) == Some(&ReplicaMode::ReadWrite);
    // Before an engine's first words its replicas are members, not joiners.
    let engine_tells = status.current_state == InstanceState::Running && !status.replica_mode_map.is_empty();
    wished && engine_tells && !serves && !replica.is_deleting()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::engine::EngineSpec;
    use crate::resources::replica::ReplicaSpec;

    /// behaviour.md §3, row "node limit": what counts as a rebuild.
    #[test]
    fn node_limit_what_counts() {
        use InstanceState::{Running, Starting, Stopped};
        use ReplicaMode::{ReadWrite, WriteOnly};
        // (wished, failed, engine, what the engine says of the replica, being deleted, counts)
        let rows = [
            (Running, false, Running, Some(WriteOnly), false, true),
            (Running, false, Running, None, false, true),
            (Running, false, Running, Some(ReadWrite), false, false),
            (Running, true, Running, None, false, false),
            (Stopped, false, Running, None, false, false),
            (Running, false, Starting, Some(WriteOnly), false, false),
            (Running, false, Stopped, None, false, false),
            (Running, false, Running, Some(WriteOnly), true, false),
        ];
        for (number, (wished, failed, state, mode, deleting, expected)) in rows.into_iter().enumerate() {
            let failed_at = if failed { "2026-11-01T00:00:00Z".into() } else { String::new() };
            let spec = ReplicaSpec { desire_state: wished, failed_at, ..ReplicaSpec::default() };
            let mut replica = Object::<Replica>::new("r", spec);
            replica.metadata.deletion_timestamp = deleting.then(|| "now".to_owned());
            let mut engine = Object::<Engine>::new("v-e-0", EngineSpec::default());
            engine.status.current_state = state;
            engine.status.replica_mode_map = [("other".to_owned(), ReadWrite)].into();
            engine.status.replica_mode_map.extend(mode.map(|mode| ("r".to_owned(), mode)));
            assert_eq!(is_joining(&replica, &engine), expected, "row {number}");
            engine.status.replica_mode_map.clear();
            assert!(!is_joining(&replica, &engine), "an engine that has not told yet, row {number}");
        }
    }
}
