//! Why a replica is rebuilt, as far as its volume's replicas tell.

use crate::resources::{Object, Replica};

/// A sentence for people.
pub(super) fn of_rebuild(name: &str, replicas: &[Object<Replica>]) -> String {
    let own = replicas.iter().find(|replica| replica.name() == name);
    if let Some(own) = own.filter(|own| !own.spec.last_failed_at.is_empty()) {
        let at = &own.spec.last_failed_at;
        return format!("Replica {name} failed at {at} and is brought up to date again.");
    }
    let others = || replicas.iter().filter(|other| other.name() != name);
    if let Some(leaving) = others().find(|other| other.spec.eviction_requested) {
        let (leaving, node) = (leaving.name(), &leaving.spec.node_id);
        return format!("It takes the place of replica {leaving}, which is to leave {node}.");
    }
    if let Some(failed) = others().find(|other| other.spec.has_failed()) {
        let (failed, node) = (failed.name(), &failed.spec.node_id);
        return format!("It takes the place of replica {failed} on {node}, which failed.");
    }
    "The volume has fewer replicas than it should have, or one of them is to be elsewhere.".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::replica::ReplicaSpec;

    #[test]
    fn reasons() {
        let replica = |name: &str, change: fn(&mut ReplicaSpec)| {
            let mut spec = ReplicaSpec { node_id: "node-2".to_owned(), ..ReplicaSpec::default() };
            change(&mut spec);
            Object::<Replica>::new(name, spec)
        };
        let failed: fn(&mut ReplicaSpec) = |spec| spec.failed_at = "2026-11-01T00:00:00Z".to_owned();
        let back: fn(&mut ReplicaSpec) = |spec| spec.last_failed_at = "2026-11-01T00:00:00Z".to_owned();
        let leaving: fn(&mut ReplicaSpec) = |spec| spec.eviction_requested = true;
        for (own, other, words) in [
            (back, failed, "a failed at 2026"),
            (|_| {}, leaving, "b, which is to leave node-2"),
            (|_| {}, failed, "b on node-2, which failed"),
            (|_| {}, |_| {}, "fewer replicas"),
        ] as [(fn(&mut ReplicaSpec), fn(&mut ReplicaSpec), &str); 4]
        {
            let why = of_rebuild("a", &[replica("a", own), replica("b", other)]);
            assert!(why.contains(words), "{why}");
        }
    }
}
