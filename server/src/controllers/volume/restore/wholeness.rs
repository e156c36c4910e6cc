//! Which replicas an activation waits for: those that will have all data soon. Not those that can't be had now: a standby
//! volume is activated because something is lost.

use aurochs_api::replica::ReplicaMode;
use aurochs_api::volume::Robustness;

use super::super::family::Family;
use crate::controllers::Context;
use crate::instance::Answering;
use crate::resources::{Object, Replica, Volume};
use crate::settings::Name;

/// The first one. Without any replica that has all data, whichever there is.
pub(super) fn awaited<'a>(context: &Context, volume: &Object<Volume>, family: &'a Family) -> Option<&'a str> {
    let wished = usize::try_from(volume.spec.number_of_replicas).unwrap_or(usize::MAX);
    if family.serving() >= wished || volume.status.robustness == Robustness::Healthy {
        return None;
    }
    let is_missing = |replica: &&Object<Replica>| family.mode(replica.name()) != Some(ReplicaMode::ReadWrite);
    let mut missing = family.staying().filter(is_missing);
    if family.serving() == 0 {
        return Some(missing.next().map_or(volume_itself(family), Object::name));
    }
    missing.find(|replica| comes(context, family, replica)).map(Object::name)
}

/// Nothing can be used without a replica.
fn volume_itself(family: &Family) -> &str {
    &family.engine.spec.volume_name
}

/// Whether it is being filled, or is about to be.
fn comes(context: &Context, family: &Family, replica: &Object<Replica>) -> bool {
    let spec = &replica.spec;
    if !spec.is_placed() || matches!(context.instances.answering(&spec.node_id), Answering::No { .. }) {
        return false;
    }
    let rebuilds = context.settings.number(Name::ConcurrentReplicaRebuildPerNodeLimit);
    let is_filled = family.mode(replica.name()) == Some(ReplicaMode::WriteOnly);
    // One that failed is tried again, and may fail again.
    is_filled || (spec.failed_at.is_empty() && rebuilds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::bench;
    use crate::resources::Engine;
    use crate::resources::engine::EngineSpec;
    use crate::resources::replica::ReplicaSpec;
    use crate::resources::volume::VolumeSpec;

    fn replica(name: &str, node: &str, failed_at: &str) -> Object<Replica> {
        let spec = ReplicaSpec {
            node_id: node.to_owned(),
            disk_path: if node.is_empty() { String::new() } else { "/disk".to_owned() },
            failed_at: failed_at.to_owned(),
            ..ReplicaSpec::default()
        };
        Object::new(name, spec)
    }

    /// One replica on node-1 that serves; and what is missing of three.
    fn family(missing: Vec<Object<Replica>>, modes: &[(&str, ReplicaMode)]) -> Family {
        let mut engine =
            Object::<Engine>::new("v-e-0", EngineSpec { volume_name: "v".into(), ..EngineSpec::default() });
        engine.status.replica_mode_map = modes.iter().map(|(name, mode)| ((*name).to_owned(), *mode)).collect();
        let replicas = [replica("serves", "node-1", "")].into_iter().chain(missing).collect();
        Family { engine, replicas }
    }

    #[tokio::test]
    async fn only_replicas_that_come_by_themselves_are_waited_for() {
        use ReplicaMode::{ReadWrite, WriteOnly};
        let (context, _directory) = bench::context(&["node-1", "node-2", "node-3"]).await;
        context.instances.replace("node-1", "1", 1, Vec::new());
        context.instances.lost("node-2", "no answer");
        let volume = Object::<Volume>::new("v", VolumeSpec { number_of_replicas: 2, ..VolumeSpec::default() });
        let told = |missing: Option<Object<Replica>>, modes: &[(&str, ReplicaMode)]| {
            let family = family(missing.into_iter().collect(), modes);
            awaited(&context, &volume, &family).map(str::to_owned)
        };
        let serves = ("serves", ReadWrite);
        assert_eq!(told(Some(replica("b", "node-3", "")), &[serves, ("b", ReadWrite)]), None, "all are there");
        assert_eq!(told(None, &[serves]), None, "there is none that could be waited for");
        assert_eq!(told(Some(replica("b", "node-2", "")), &[serves]), None, "its node is silent");
        assert_eq!(told(Some(replica("b", "node-9", "")), &[serves]), None, "its node is gone");
        assert_eq!(told(Some(replica("b", "", "")), &[serves]), None, "it has no place");
        assert_eq!(told(Some(replica("b", "node-1", "then")), &[serves]), None, "it failed");
        let b = Some("b".to_owned());
        assert_eq!(told(Some(replica("b", "node-1", "")), &[serves]), b, "it is about to be filled");
        assert_eq!(told(Some(replica("b", "node-1", "then")), &[serves, ("b", WriteOnly)]), b, "it is being filled");
        assert_eq!(told(Some(replica("b", "node-3", "")), &[serves]), b, "its node was not heard of yet");
        assert_eq!(told(Some(replica("b", "node-2", "")), &[]), Some("serves".to_owned()), "nothing has all data");
        context.settings.set(Name::ConcurrentReplicaRebuildPerNodeLimit.word(), "0");
        assert_eq!(told(Some(replica("b", "node-1", "")), &[serves]), None, "no rebuild is allowed");
    }
}
