//! A replica on its way into a running engine: its process comes up, the engine takes it in, its data is copied.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::replica::ReplicaMode;

use super::super::engine::membership::CONDITION_JOIN_REFUSED;
use super::super::{Context, Error};
use super::family::Family;
use super::upkeep::{drop_from_engine, fail, tell_failed};
use crate::resources::engine::InstanceState;
use crate::resources::{Engine, Object, Replica, condition};

/// Hands a replica whose process came up to the engine. The cause tells of the rebuild that is under way, if one is.
pub(super) async fn bring_in(context: &Context, family: &Family) -> Result<Option<Cause>, Error> {
    for replica in family.staying() {
        let wished = replica.spec.desire_state == InstanceState::Running && !replica.spec.has_failed();
        match (family.mode(replica.name()), replica.status.current_state) {
            (Some(ReplicaMode::WriteOnly), _) => return Ok(Some(rebuilding(replica, family))),
            (None, InstanceState::Error) if wished => {
                tell_failed(context, family, replica, &replica.status.cause);
                drop_from_engine(context, family, replica.name()).await?;
                fail(context, replica, &replica.status.cause).await?;
            }
            (None, InstanceState::Running) if wished => {
                let change = |engine: &mut Object<Engine>| {
                    let map = &mut engine.spec.replica_address_map;
                    map.insert(replica.name().to_owned(), replica.status.address.clone());
                };
                context.store.modify::<Engine>(family.engine.name(), change).await?;
                return Ok(Some(rebuilding(replica, family)));
            }
            (None, InstanceState::Unknown) if wished => {
                fail(context, replica, &format!("{} does not answer", replica.spec.node_id)).await?;
            }
            (None, _) if wished => return Ok(Some(rebuilding(replica, family))),
            _ => {}
        }
    }
    Ok(None)
}

pub(super) fn rebuilding(replica: &Object<Replica>, family: &Family) -> Cause {
    let (name, node) = (replica.name(), &replica.spec.node_id);
    let refusal = condition::find(&replica.status.conditions, CONDITION_JOIN_REFUSED);
    if let Some(refusal) = refusal.filter(|_| family.mode(name).is_none()) {
        return Cause {
            code: CauseCode::RebuildWaiting,
            severity: Severity::Warning,
            message: format!("Replica {name} on {node} waits to be rebuilt: {}.", refusal.message),
            next_step: "It is tried again by itself.".to_owned(),
            objects: vec![name.to_owned(), node.clone()],
            details: Vec::new(),
        };
    }
    // No figures here: they are in the rebuild status, and a cause that changes every second would be written as often.
    let source = family.engine.status.rebuild_status.get(name).and_then(|rebuild| rebuild.from_replica_list.first());
    let from = source.filter(|source| !source.is_empty()).map(|source| format!(" from {source}")).unwrap_or_default();
    Cause {
        code: CauseCode::Rebuilding,
        severity: Severity::Info,
        message: format!("Replica {name} on {node} is being rebuilt{from}."),
        next_step: "It ends by itself; reading and writing go on meanwhile.".to_owned(),
        objects: vec![name.to_owned(), node.clone()],
        details: Vec::new(),
    }
}
