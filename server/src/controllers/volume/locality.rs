//! Data locality (behaviour.md §3): with best effort, a volume in use gets a replica on the node of its engine, and then
//! one elsewhere goes. Strictly local volumes have their only replica where they are used, and are used nowhere else.

use super::extra::Need;
use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::Error;
use crate::resources::volume::DataLocality;
use crate::resources::{Object, Replica, Volume};

/// The step of one pass.
pub(super) async fn step(
    _: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    findings.needs.extend(wanted_on(volume, family).map(|node| Need::Local { node }));
    Ok(())
}

/// The node that should get a replica.
pub(super) fn wanted_on(volume: &Object<Volume>, family: &Family) -> Option<String> {
    let node = &family.engine.spec.node_id;
    let best_effort = volume.spec.data_locality == DataLocality::BestEffort;
    // Attached for maintenance only: nobody reads, and the next workload may run elsewhere.
    let in_use = !volume.spec.disable_frontend && volume.spec.node_id == *node;
    let lacks_one = || !family.whole().any(|replica| replica.spec.node_id == *node);
    (best_effort && in_use && family.is_kept_whole(volume) && lacks_one()).then(|| node.clone())
}

/// Why a strictly local volume can't be attached to this node; none for volumes that can.
#[must_use]
pub fn refusal<'a>(
    volume: &Object<Volume>,
    replicas: impl IntoIterator<Item = &'a Object<Replica>>,
    node: &str,
) -> Option<String> {
    if volume.spec.data_locality != DataLocality::StrictLocal {
        return None;
    }
    let mut placed =
        replicas.into_iter().filter(|replica| !replica.is_deleting() && replica.spec.is_placed()).peekable();
    // Its place is chosen at the first attachment.
    placed.peek()?;
    let homes: Vec<&str> = placed.map(|replica| replica.spec.node_id.as_str()).collect();
    (!homes.contains(&node)).then(|| {
        format!(
            "{} is strictly local: its data is on {}, and it can be attached nowhere else",
            volume.name(),
            homes.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_api::replica::ReplicaMode;

    use crate::resources::Engine;
    use crate::resources::engine::{EngineSpec, InstanceState};
    use crate::resources::replica::ReplicaSpec;
    use crate::resources::volume::VolumeSpec;

    /// behaviour.md §3, row "best-effort": attached, healthy, frontend on and no local replica.
    #[test]
    fn best_effort_one_more_on_the_engines_node() {
        use DataLocality::{BestEffort, Disabled, StrictLocal};
        // (locality, spec.nodeID, frontend off, nodes of whole replicas of two wished, expected)
        let rows: &[(DataLocality, &str, bool, &[&str], bool)] = &[
            (BestEffort, "n1", false, &["n2", "n3"], true),
            (BestEffort, "n1", false, &["n1", "n2"], false),
            (BestEffort, "n1", false, &["n2"], false),
            (BestEffort, "n1", true, &["n2", "n3"], false),
            // On its way to another node, or down.
            (BestEffort, "n2", false, &["n2", "n3"], false),
            (BestEffort, "", false, &["n2", "n3"], false),
            (Disabled, "n1", false, &["n2", "n3"], false),
            (StrictLocal, "n1", false, &["n2", "n3"], false),
        ];
        for (locality, node, frontend_off, homes, expected) in rows {
            let spec = VolumeSpec {
                data_locality: *locality,
                node_id: (*node).into(),
                disable_frontend: *frontend_off,
                number_of_replicas: 2,
                ..VolumeSpec::default()
            };
            let mut engine =
                Object::<Engine>::new("v-e-0", EngineSpec { node_id: "n1".into(), ..EngineSpec::default() });
            engine.status.current_state = InstanceState::Running;
            let replica = |home: &&str| {
                Object::<Replica>::new(*home, ReplicaSpec { node_id: (*home).into(), ..ReplicaSpec::default() })
            };
            engine.status.replica_mode_map =
                homes.iter().map(|home| ((*home).to_owned(), ReplicaMode::ReadWrite)).collect();
            let family = Family { engine, replicas: homes.iter().map(replica).collect() };
            let wanted = wanted_on(&Object::new("v", spec), &family);
            assert_eq!(wanted, expected.then(|| "n1".to_owned()), "{locality:?} {node:?} {frontend_off} {homes:?}");
        }
    }
}
