//! Starting an engine: a higher epoch in the control record first, then the process with that epoch.
//!
//! Invariant (SAFETY.md, start 1): no engine process is started with an epoch that was not first made the highest by
//! compare-and-set. A raised epoch whose engine never started costs nothing; two engines with one epoch cost data.

use std::collections::{BTreeMap, HashMap};

use aurochs_engine::grpc::instance_v1::{
    EngineSpec as Arguments, Instance, InstanceListRequest, InstanceStartRequest, InstanceState as Told, Record,
    instance_start_request::Spec,
};

use super::super::replica::last_data;
use super::super::{Context, Error};
use crate::instance::{CHANGE_TIMEOUT, LOOK_TIMEOUT, record, rpc, within};
use crate::resources::engine::EngineSpec;
use crate::resources::volume::Frontend;
use crate::resources::{Engine, LABEL_VOLUME, Object, Replica};

pub(super) async fn start(context: &Context, engine: &Object<Engine>) -> Result<Instance, Error> {
    let (node, name) = (&engine.spec.node_id, engine.name());
    // The view of the processes may be a moment old; an engine that runs must be adopted, not fenced off.
    if let Some(running) = find_running(context, node, name).await? {
        return Ok(running);
    }
    let seen = record::get(&context.clients, &engine.spec.volume_name).await?;
    let salvaging = may_salvage(engine, seen.as_ref());
    let stored = match &seen {
        None => first_record(context, engine).await?,
        Some(seen) => {
            let next = next_record(engine, seen, salvaging)?;
            record::compare_and_set(&context.clients, Some(seen), next).await?
        }
    };
    let request = InstanceStartRequest {
        name: name.to_owned(),
        volume: engine.spec.volume_name.clone(),
        spec: Some(Spec::Engine(Arguments {
            size_bytes: engine.spec.volume_size.bytes(),
            epoch: stored.epoch,
            frontend: if engine.spec.disable_frontend { String::new() } else { engine.spec.frontend.word().to_owned() },
            replicas: addresses((!salvaging).then_some(&stored.members), &engine.spec.replica_address_map),
            snapshot_max_count: engine.spec.snapshot_max_count,
            snapshot_max_size_bytes: engine.spec.snapshot_max_size.bytes(),
            unmap_mark_snap_chain_removed: engine.spec.unmap_mark_snap_chain_removed_enabled,
            salvage: salvaging,
            replica_timeout_seconds: engine.spec.replica_timeout_seconds,
            ..network(context, &engine.spec)
        })),
    };
    let started = context.clients.manager(node)?.instance_start(within(CHANGE_TIMEOUT, request)).await;
    Ok(started.map_err(rpc(format!("starting engine {name} on {node}")))?.into_inner())
}

/// How the engine is reached over the network. A volume that is not to be an iSCSI target must not become one beside.
fn network(context: &Context, spec: &EngineSpec) -> Arguments {
    let all = context.clients.network();
    if spec.frontend == Frontend::Iscsi && !spec.disable_frontend {
        return all;
    }
    Arguments { iscsi_listen: Vec::new(), iscsi_chap_file: String::new(), ..all }
}

async fn find_running(context: &Context, node: &str, name: &str) -> Result<Option<Instance>, Error> {
    let list = context.clients.manager(node)?.instance_list(within(LOOK_TIMEOUT, InstanceListRequest {})).await;
    let list = list.map_err(rpc(format!("listing the instances of {node}")))?.into_inner();
    let lives = |instance: &Instance| {
        instance.name == name && matches!(instance.state(), Told::Starting | Told::Running | Told::Stopping)
    };
    Ok(list.instances.into_iter().find(lives))
}

/// Makes the first record of a volume that was never attached.
///
/// Invariant: it names no replica whose files are on their way out. Until now nothing kept one from being given up; who
/// is given up is judged in the same turn.
async fn first_record(context: &Context, engine: &Object<Engine>) -> Result<Record, Error> {
    let volume = &engine.spec.volume_name;
    let _one_at_a_time = context.giving_up.take(volume).await;
    let replicas = context.store.list_labelled::<Replica>(LABEL_VOLUME, volume).await?;
    let first = first_of(engine, &replicas)?;
    Ok(record::compare_and_set(&context.clients, None, first).await?)
}

/// All replicas that the engine was given and that stay are members: they are equal, being empty.
fn first_of(engine: &Object<Engine>, replicas: &[Object<Replica>]) -> Result<Record, Error> {
    let volume = &engine.spec.volume_name;
    let given = &engine.spec.replica_address_map;
    let stays = |replica: &&Object<Replica>| given.contains_key(replica.name()) && !last_data::is_given_up(replica);
    let members: Vec<String> = replicas.iter().filter(stays).map(|replica| replica.name().to_owned()).collect();
    if members.is_empty() {
        return Err(Error::Other(format!("{volume} has no running replica to start with")));
    }
    Ok(Record { volume: volume.clone(), epoch: 1, generation: 1, members, clean: true, ..Record::default() })
}

/// The record with which the engine starts: the epoch raised, everything else as the last engine left it.
fn next_record(engine: &Object<Engine>, seen: &Record, salvaging: bool) -> Result<Record, Error> {
    let given = &engine.spec.replica_address_map;
    if salvaging || seen.members.iter().any(|member| given.contains_key(member)) {
        return Ok(Record { epoch: seen.epoch + 1, ..seen.clone() });
    }
    Err(Error::Other(format!(
        "none of the replicas that hold all data of {} runs ({}); an engine can't start without one",
        engine.spec.volume_name,
        seen.members.join(", ")
    )))
}

/// Whether this start goes on without members: a person ordered that, for this very record, and none was given to the
/// engine. A salvage that was done has changed the record, so that no order is carried out twice.
fn may_salvage(engine: &Object<Engine>, seen: Option<&Record>) -> bool {
    let given = &engine.spec.replica_address_map;
    let has_member = seen.is_some_and(|record| record.members.iter().any(|member| given.contains_key(member)));
    !has_member
        && engine.pending_salvage().is_some_and(|order| {
            let decided_for = order.record_generation;
            decided_for.is_some() && decided_for == seen.map(|record| record.generation)
        })
}

/// Addresses of the members that run, or of all that run where there are no `members` to go by. The engine itself takes
/// the others out of the record before it acknowledges anything.
fn addresses(members: Option<&Vec<String>>, running: &BTreeMap<String, String>) -> HashMap<String, String> {
    let passed = |name: &String| members.is_none_or(|members| members.contains(name));
    running.iter().filter(|(name, _)| passed(name)).map(|(name, address)| (name.clone(), address.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::condition;
    use aurochs_api::condition::ConditionStatus;

    fn engine(replicas: &[&str]) -> Object<Engine> {
        let replica_address_map = replicas.iter().map(|&name| (name.to_owned(), format!("unix:/{name}"))).collect();
        let volume_name = "v".to_owned();
        Object::new("v-e-0", EngineSpec { volume_name, replica_address_map, ..EngineSpec::default() })
    }

    fn replica(name: &str, is_given_up: bool) -> Object<Replica> {
        let mut replica = Object::<Replica>::new(name, Default::default());
        if is_given_up {
            let conditions = &mut replica.status.conditions;
            condition::set(conditions, last_data::CONDITION_GIVEN_UP, ConditionStatus::True, "", "");
        }
        replica
    }

    #[test]
    fn the_first_record_has_all_replicas_that_stay() {
        let (a, b) = (replica("a", false), replica("b", false));
        let record = first_of(&engine(&["a", "b"]), &[a.clone(), b]).unwrap();
        assert_eq!((record.epoch, record.generation, record.clean), (1, 1, true));
        assert_eq!(record.members, ["a", "b"]);
        assert!(first_of(&engine(&[]), std::slice::from_ref(&a)).is_err());
        // Its files may be gone already: as a member it would leave a volume without data that can be used.
        let gone = replica("b", true);
        assert_eq!(first_of(&engine(&["a", "b"]), &[a.clone(), gone.clone()]).unwrap().members, ["a"]);
        assert!(first_of(&engine(&["b"]), &[a, gone]).is_err());
        assert!(first_of(&engine(&["c"]), &[]).is_err(), "it is gone altogether");
    }

    #[test]
    fn only_the_epoch_is_raised() {
        let members = vec!["a".to_owned(), "c".to_owned()];
        let (joining, incarnation) = (vec!["b".into()], "the one".into());
        let seen = Record { volume: "v".into(), epoch: 4, generation: 9, members, joining, clean: false, incarnation };
        let next = next_record(&engine(&["a", "b"]), &seen, false).unwrap();
        assert_eq!(next, Record { epoch: 5, ..seen.clone() });
        let addresses = addresses(Some(&next.members), &engine(&["a", "b"]).spec.replica_address_map);
        assert_eq!(addresses.keys().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn never_without_a_member() {
        let seen =
            Record { volume: "v".into(), epoch: 1, generation: 1, members: vec!["a".into()], ..Record::default() };
        let refusal = next_record(&engine(&["b"]), &seen, false).unwrap_err().to_string();
        assert!(refusal.contains("(a)"), "{refusal}");
    }

    #[test]
    fn a_salvage_is_for_the_record_that_the_person_saw() {
        let seen =
            Record { volume: "v".into(), epoch: 3, generation: 7, members: vec!["a".into()], ..Record::default() };
        let mut engine = engine(&["b", "c"]);
        assert!(!may_salvage(&engine, Some(&seen)), "nobody ordered it");
        engine.spec.salvage_order.number = 1;
        assert!(!may_salvage(&engine, Some(&seen)), "not tied to a record yet");
        engine.spec.salvage_order.record_generation = Some(7);
        assert!(may_salvage(&engine, Some(&seen)));
        let next = next_record(&engine, &seen, true).unwrap();
        assert_eq!((next.epoch, next.generation), (4, 7));
        assert_eq!(addresses(None, &engine.spec.replica_address_map).len(), 2, "all that run may be chosen");
        let with_member = Record { members: vec!["a".into(), "c".into()], ..seen.clone() };
        assert!(!may_salvage(&engine, Some(&with_member)), "a member was given: it is an ordinary start");
        assert!(!may_salvage(&engine, Some(&Record { generation: 8, ..seen.clone() })), "it was carried out");
        engine.status.salvage_answered = 1;
        assert!(!may_salvage(&engine, Some(&seen)), "the order is over");
    }
}
