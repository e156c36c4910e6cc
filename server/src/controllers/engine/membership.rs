//! Tells a running engine whom to rebuild and whom to let go. The engine alone changes the record.

use std::collections::BTreeMap;

use aurochs_api::replica::ReplicaMode;
use aurochs_engine::grpc::engine_v1::{ReplicaAddRequest, ReplicaNameRequest};

use super::super::{Context, Error};
use crate::instance::{CHANGE_TIMEOUT, rpc, within};
use crate::resources::{Engine, LABEL_VOLUME, Object, Replica};

/// One wish to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Add { name: String, address: String },
    Remove { name: String },
}

pub(super) async fn settle(context: &Context, engine: &Object<Engine>) -> Result<(), Error> {
    if engine.status.replica_mode_map.is_empty() {
        // Its first status has not been heard.
        return Ok(());
    }
    let replicas = context.store.list_labelled::<Replica>(LABEL_VOLUME, &engine.spec.volume_name).await?;
    let mut client = context.clients.engine(&engine.status.address)?;
    for wish in wishes(engine, &replicas) {
        tracing::info!(engine = engine.name(), ?wish, "changing an engine's replicas");
        match wish {
            Wish::Add { name, address } => {
                let doing = format!("adding replica {name} to engine {}", engine.name());
                let request = within(CHANGE_TIMEOUT, ReplicaAddRequest { name, address });
                client.replica_add(request).await.map_err(rpc(doing))?;
            }
            Wish::Remove { name } => {
                let doing = format!("removing replica {name} from engine {}", engine.name());
                let request = within(CHANGE_TIMEOUT, ReplicaNameRequest { name });
                client.replica_remove(request).await.map_err(rpc(doing))?;
            }
        }
    }
    Ok(())
}

/// Invariant: a replica that serves is removed only when its resource is being deleted or is gone; all others that
/// are removed are in mode `ERR` already.
fn wishes(engine: &Object<Engine>, replicas: &[Object<Replica>]) -> Vec<Wish> {
    let by_name: BTreeMap<&str, &Object<Replica>> = replicas.iter().map(|replica| (replica.name(), replica)).collect();
    let (wanted, has) = (&engine.spec.replica_address_map, &engine.status.replica_mode_map);
    let mut wishes = Vec::new();
    for (name, mode) in has {
        let leaving = by_name.get(name.as_str()).is_none_or(|replica| replica.is_deleting());
        if leaving || (*mode == ReplicaMode::Error && !wanted.contains_key(name)) {
            wishes.push(Wish::Remove { name: name.clone() });
        }
    }
    for (name, address) in wanted {
        let Some(replica) = by_name.get(name.as_str()) else { continue };
        let stays = !replica.is_deleting() && !replica.spec.has_failed();
        if !has.contains_key(name) && stays && &replica.status.address == address {
            wishes.push(Wish::Add { name: name.clone(), address: address.clone() });
        }
    }
    wishes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::engine::{EngineSpec, EngineStatus};
    use crate::resources::replica::ReplicaSpec;

    fn replica(name: &str) -> Object<Replica> {
        let mut replica = Object::<Replica>::new(name, ReplicaSpec::default());
        replica.status.address = format!("unix:/{name}");
        replica
    }

    fn engine(wanted: &[&str], has: &[(&str, ReplicaMode)]) -> Object<Engine> {
        let replica_address_map = wanted.iter().map(|&name| (name.to_owned(), format!("unix:/{name}"))).collect();
        let mut engine = Object::<Engine>::new("e", EngineSpec { replica_address_map, ..EngineSpec::default() });
        let replica_mode_map = has.iter().map(|&(name, mode)| (name.to_owned(), mode)).collect();
        engine.status = EngineStatus { replica_mode_map, ..EngineStatus::default() };
        engine
    }

    #[test]
    fn a_new_one_is_added_and_a_failed_one_let_go() {
        let replicas = [replica("a"), replica("b"), replica("c")];
        let engine = engine(&["a", "c"], &[("a", ReplicaMode::ReadWrite), ("b", ReplicaMode::Error)]);
        let expected = [Wish::Remove { name: "b".into() }, Wish::Add { name: "c".into(), address: "unix:/c".into() }];
        assert_eq!(wishes(&engine, &replicas), expected);
    }

    #[test]
    fn one_that_serves_goes_only_when_it_is_deleted() {
        let mut replicas = [replica("a"), replica("b")];
        let engine = engine(&["a"], &[("a", ReplicaMode::ReadWrite), ("b", ReplicaMode::ReadWrite)]);
        assert_eq!(wishes(&engine, &replicas), []);
        replicas[1].metadata.deletion_timestamp = Some("now".into());
        assert_eq!(wishes(&engine, &replicas), [Wish::Remove { name: "b".into() }]);
    }

    #[test]
    fn a_stale_address_is_not_added() {
        let mut moved = replica("a");
        moved.status.address = "unix:/elsewhere".into();
        assert_eq!(wishes(&engine(&["a"], &[("b", ReplicaMode::ReadWrite)]), &[moved, replica("b")]), []);
    }
}
