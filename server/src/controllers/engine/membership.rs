//! Tells a running engine whom to rebuild and whom to let go. The engine alone changes the record.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aurochs_api::condition::ConditionStatus;
use aurochs_api::replica::ReplicaMode;
use aurochs_engine::grpc::engine_v1::{ReplicaAddRequest, ReplicaNameRequest};

use super::super::runtime::Next;
use super::super::{Context, Error};
use super::refusals::Refusals;
use crate::instance::{CHANGE_TIMEOUT, ClientError, rpc, within};
use crate::resources::replica::ReplicaStatus;
use crate::resources::{Engine, LABEL_VOLUME, Object, Replica, condition};

/// One wish to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Add { name: String, address: String },
    Remove { name: String },
}

/// Condition of a replica that its engine refuses to rebuild now; goes when it has been accepted.
pub(in crate::controllers) const CONDITION_JOIN_REFUSED: &str = "JoinRefused";

pub(super) async fn settle(context: &Context, refusals: &Refusals, engine: &Object<Engine>) -> Result<Next, Error> {
    if engine.status.replica_mode_map.is_empty() {
        // Its first status has not been heard.
        return Ok(Next::Wait);
    }
    let mut next = Next::Wait;
    let replicas = context.store.list_labelled::<Replica>(LABEL_VOLUME, &engine.spec.volume_name).await?;
    let mut client = context.clients.engine(&engine.status.address)?;
    for wish in wishes(engine, &replicas) {
        match wish {
            Wish::Add { name, address } => {
                let mut pause = refusals.pause(engine.name(), &name, Instant::now());
                if pause.is_zero() {
                    tracing::info!(engine = engine.name(), replica = name, "adding a replica to an engine");
                    let request = within(CHANGE_TIMEOUT, ReplicaAddRequest { name: name.clone(), address });
                    let doing = format!("adding replica {name} to engine {}", engine.name());
                    match client.replica_add(request).await.map_err(rpc(doing)) {
                        Ok(_) => accepted(context, refusals, engine, &name, &replicas).await?,
                        Err(error) if error.is_unreachable() => return Err(error.into()),
                        Err(error) => pause = refused(context, refusals, engine, &name, &error).await?,
                    }
                }
                next = sooner(next, pause);
            }
            Wish::Remove { name } => {
                tracing::info!(engine = engine.name(), replica = name, "removing a replica from an engine");
                let doing = format!("removing replica {name} from engine {}", engine.name());
                let request = within(CHANGE_TIMEOUT, ReplicaNameRequest { name });
                client.replica_remove(request).await.map_err(rpc(doing))?;
            }
        }
    }
    Ok(next)
}

fn sooner(next: Next, pause: Duration) -> Next {
    match next {
        _ if pause.is_zero() => next,
        Next::After(before) => Next::After(before.min(pause)),
        Next::Wait => Next::After(pause),
    }
}

async fn accepted(
    context: &Context,
    refusals: &Refusals,
    engine: &Object<Engine>,
    name: &str,
    replicas: &[Object<Replica>],
) -> Result<(), Error> {
    refusals.forget(engine.name(), name);
    let is_refused = |replica: &Object<Replica>| {
        replica.name() == name && condition::is_true(&replica.status.conditions, CONDITION_JOIN_REFUSED)
    };
    if replicas.iter().any(is_refused) {
        let clear = |status: &mut ReplicaStatus| {
            status.conditions.retain(|condition| condition.kind != CONDITION_JOIN_REFUSED);
        };
        context.store.modify_status::<Replica>(name, clear).await?;
    }
    Ok(())
}

/// The engine is asked again later: what it refuses for ends by itself. Until then the replica says why it waits.
async fn refused(
    context: &Context,
    refusals: &Refusals,
    engine: &Object<Engine>,
    name: &str,
    error: &ClientError,
) -> Result<Duration, Error> {
    let pause = refusals.note(engine.name(), name, Instant::now());
    tracing::warn!(engine = engine.name(), replica = name, %error, ?pause, "an engine refused a replica; trying again");
    let tell = |status: &mut ReplicaStatus| {
        let message = error.to_string();
        condition::set(&mut status.conditions, CONDITION_JOIN_REFUSED, ConditionStatus::True, "", &message);
    };
    context.store.modify_status::<Replica>(name, tell).await?;
    Ok(pause)
}

/// Invariant: a replica that serves is removed only when its resource is being deleted or is gone and another one serves;
/// all others that are removed are in mode `ERR` already.
fn wishes(engine: &Object<Engine>, replicas: &[Object<Replica>]) -> Vec<Wish> {
    let by_name: BTreeMap<&str, &Object<Replica>> = replicas.iter().map(|replica| (replica.name(), replica)).collect();
    let (wanted, has) = (&engine.spec.replica_address_map, &engine.status.replica_mode_map);
    let mut wishes = Vec::new();
    for (name, mode) in has {
        let deleted = by_name.get(name.as_str()).is_none_or(|replica| replica.is_deleting());
        // The engine would refuse the last one, and what else is wished would wait behind the refusal.
        let others_serve = has.iter().any(|(other, mode)| other != name && *mode == ReplicaMode::ReadWrite);
        let leaving = deleted && (*mode != ReplicaMode::ReadWrite || others_serve);
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
    fn the_last_one_that_serves_stays_until_another_does() {
        let mut replicas = [replica("a"), replica("b")];
        replicas[0].metadata.deletion_timestamp = Some("now".into());
        let alone = engine(&["a", "b"], &[("a", ReplicaMode::ReadWrite)]);
        assert_eq!(wishes(&alone, &replicas), [Wish::Add { name: "b".into(), address: "unix:/b".into() }]);
        let joining = engine(&["a", "b"], &[("a", ReplicaMode::ReadWrite), ("b", ReplicaMode::WriteOnly)]);
        assert_eq!(wishes(&joining, &replicas), []);
        let joined = engine(&["a", "b"], &[("a", ReplicaMode::ReadWrite), ("b", ReplicaMode::ReadWrite)]);
        assert_eq!(wishes(&joined, &replicas), [Wish::Remove { name: "a".into() }]);
    }

    #[test]
    fn a_stale_address_is_not_added() {
        let mut moved = replica("a");
        moved.status.address = "unix:/elsewhere".into();
        assert_eq!(wishes(&engine(&["a"], &[("b", ReplicaMode::ReadWrite)]), &[moved, replica("b")]), []);
    }
}
