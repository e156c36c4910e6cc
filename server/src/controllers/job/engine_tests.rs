//! What engines tell, as work.

use aurochs_api::size::ByteSize;

use super::*;
use crate::resources::engine::{EngineSpec, EngineStatus, PurgeStatus, ReplicaHash};

fn engine(change: impl FnOnce(&mut EngineStatus)) -> Object<Engine> {
    let spec = EngineSpec { volume_name: "data".into(), node_id: "node-1".into(), ..EngineSpec::default() };
    let mut engine = Object::<Engine>::new("data-e-0", spec);
    change(&mut engine.status);
    engine
}

fn one(change: impl FnOnce(&mut EngineStatus)) -> Work {
    let mut works = works(&engine(change));
    assert_eq!(works.len(), 1, "{works:?}");
    works.remove(0)
}

fn outcome(work: &Work) -> &Outcome {
    match &work.course {
        Course::Ended { outcome, .. } => outcome,
        Course::Runs(phase) => panic!("it is {phase}"),
    }
}

#[test]
fn an_engine_at_rest_has_no_work() {
    assert_eq!(works(&engine(|_| {})), []);
}

#[test]
fn a_rebuild_from_its_beginning_to_its_end() {
    let told = |running: bool, planned: u64, done: u64, error: &str| {
        let status = RebuildStatus {
            replica: "data-r-2".into(),
            is_rebuilding: running,
            planned_bytes: ByteSize(planned),
            done_bytes: ByteSize(done),
            error: error.into(),
            from_replica_list: vec!["data-r-1".into(), "data-r-3".into()],
            ..RebuildStatus::default()
        };
        one(|engine| drop(engine.rebuild_status.insert("data-r-2".into(), status)))
    };
    assert_eq!(told(true, 0, 0, "").course, Course::Runs("preparing"));
    let copying = told(true, 100, 40, "");
    assert_eq!((&copying.course, copying.planned_bytes, copying.done_bytes), (&Course::Runs("copying"), Some(100), 40));
    assert_eq!(copying.key, "engine/data-e-0/rebuild/data-r-2");
    assert!(copying.notes[0].1.contains("data-r-1, data-r-3"), "{:?}", copying.notes);
    assert_eq!(*outcome(&told(false, 100, 100, "")), Outcome::Succeeded);
    let Outcome::Failed(failure) = outcome(&told(false, 100, 60, "the disk is full")).clone() else { panic!() };
    assert!(failure.message.contains("the disk is full") && !failure.next_step.is_empty());
    assert_eq!(failure.cause.unwrap().code, CauseCode::ReplicaFailed);
}

#[test]
fn a_purge_is_one_job_of_all_replicas() {
    let told = |replicas: &[(&str, bool, u64, u64, &str)]| {
        let status = |engine: &mut EngineStatus| {
            for (name, is_purging, planned, done, error) in replicas {
                let (planned_bytes, done_bytes) = (ByteSize(*planned), ByteSize(*done));
                let error = (*error).to_owned();
                let is_purging = *is_purging;
                let one = PurgeStatus { is_purging, planned_bytes, done_bytes, error, ..PurgeStatus::default() };
                engine.purge_status.insert((*name).to_owned(), one);
            }
        };
        works(&engine(status)).pop()
    };
    let running = told(&[("a", true, 100, 10, ""), ("b", false, 100, 100, "")]).unwrap();
    assert_eq!(
        (&running.course, running.planned_bytes, running.done_bytes),
        (&Course::Runs("merging"), Some(200), 110)
    );
    assert_eq!(*outcome(&told(&[("a", false, 5, 5, "")]).unwrap()), Outcome::Succeeded);
    let failed = told(&[("a", false, 5, 5, ""), ("b", false, 5, 1, "no space")]).unwrap();
    assert!(matches!(outcome(&failed), Outcome::Failed(failure) if failure.message.contains("b: no space")));
    assert_eq!(told(&[("a", false, 0, 0, "")]), None, "there was nothing to do");
}

#[test]
fn a_hash_ends_by_what_it_found() {
    let told = |running: bool, change: fn(&mut ReplicaHash)| {
        let mut one_replica =
            ReplicaHash { phase: HashPhase::Hashed, total_bytes: ByteSize(10), ..ReplicaHash::default() };
        change(&mut one_replica);
        let replicas = [("a".to_owned(), one_replica)].into();
        let hash = HashProgress { snapshot: "s".into(), running, replicas, ..HashProgress::default() };
        one(|engine| engine.hash = Some(hash))
    };
    let running = told(true, |one| one.phase = HashPhase::Hashing);
    assert_eq!(running.course, Course::Runs("reading"));
    let way = Way::Hash { engine: "data-e-0".into(), snapshot: "s".into() };
    assert_eq!(running.cancel, Chance::Possible(way));
    assert_eq!(*outcome(&told(false, |_| {})), Outcome::Succeeded);
    let damaged = told(false, |one| one.silently_corrupted = true);
    let Outcome::Failed(failure) = outcome(&damaged) else { panic!() };
    assert_eq!(failure.cause.as_ref().unwrap().code, CauseCode::SnapshotDamaged);
    let unread = told(false, |one| (one.phase, one.error) = (HashPhase::Failed, "an I/O error".into()));
    assert!(matches!(outcome(&unread), Outcome::Failed(failure) if failure.message.contains("an I/O error")));
}
