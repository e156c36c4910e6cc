//! Rebuilds, purges and hashes, from what engines tell.

use std::collections::BTreeSet;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::volume::RebuildStatus;

use super::cancel::Way;
use super::teller::Teller;
use super::work::{Chance, Course, Work};
use super::{keys, reason};
use crate::controllers::Context;
use crate::jobs::{JobKind, Level, Outcome, StartedBy};
use crate::resources::engine::{HashPhase, HashProgress};
use crate::resources::{Engine, LABEL_VOLUME, Object, Replica};
use crate::store::WatchEvent;

const NO_CANCEL_OF_REBUILDS: &str = "Without it the volume stays degraded, and it would begin again by itself. Lower the volume's numberOfReplicas, or remove the replica.";
const NO_CANCEL_OF_PURGES: &str = "A layer that is half merged has to be merged to its end, which comes by itself.";
const LOST: &str = "The engine ended, or another one took over, before this was done.";

/// Until the store ends.
pub(super) async fn follow(context: Context) {
    let (mut watch, mut teller) = (context.store.watch::<Engine>(), Teller::new(&context));
    while let Some(event) = watch.next().await {
        let prefix = format!("engine/{}/", event.object().name());
        match event {
            WatchEvent::Deleted(_) => teller.forget(&prefix, LOST),
            WatchEvent::Applied(engine) => {
                let mut now = works(&engine);
                give_reasons(&context, &engine, &teller, &mut now).await;
                teller.tell(&prefix, now, LOST);
            }
        }
    }
}

/// Fills in why a rebuild that nobody has told of yet is made, and where.
async fn give_reasons(context: &Context, engine: &Object<Engine>, teller: &Teller, works: &mut [Work]) {
    let is_new = |work: &&mut Work| work.kind == JobKind::Rebuild && !teller.holds(&work.key);
    let mut new = works.iter_mut().filter(is_new).peekable();
    if new.peek().is_none() {
        return;
    }
    let volume = &engine.spec.volume_name;
    let Ok(replicas) = context.store.list_labelled::<Replica>(LABEL_VOLUME, volume).await else { return };
    for work in new {
        work.started_by = StartedBy::System(reason::of_rebuild(&work.object, &replicas));
        let own = replicas.iter().find(|replica| replica.name() == work.object);
        work.node = own.map(|own| own.spec.node_id.clone());
    }
}

/// All long work that the engine tells of.
fn works(engine: &Object<Engine>) -> Vec<Work> {
    let rebuilds = engine.status.rebuild_status.values().map(|told| rebuild(engine, told));
    rebuilds.chain(purge(engine)).chain(hash(engine)).collect()
}

fn work(engine: &Object<Engine>, kind: JobKind, key: String, object: &str, course: Course) -> Work {
    Work {
        key,
        kind,
        object: object.to_owned(),
        volume: Some(engine.spec.volume_name.clone()),
        node: Some(engine.spec.node_id.clone()),
        started_by: StartedBy::System(String::new()),
        cancel: Chance::Impossible(""),
        course,
        planned_bytes: None,
        done_bytes: 0,
        notes: Vec::new(),
    }
}

fn rebuild(engine: &Object<Engine>, told: &RebuildStatus) -> Work {
    let course = match (told.is_rebuilding, told.error.as_str()) {
        (true, _) if told.planned_bytes.bytes() == 0 => Course::Runs("preparing"),
        (true, _) => Course::Runs("copying"),
        (false, error) => Course::Ended {
            outcome: if error.is_empty() { Outcome::Succeeded } else { failed_rebuild(engine, &told.replica, error) },
            marks: BTreeSet::from([format!("{} {error}", told.done_bytes)]),
        },
    };
    let key = format!("engine/{}/rebuild/{}", engine.name(), told.replica);
    let sources = told.from_replica_list.iter().filter(|source| !source.is_empty()).cloned().collect::<Vec<_>>();
    let copies = (Level::Info, format!("It is copied from {}.", sources.join(", ")));
    Work {
        cancel: Chance::Impossible(NO_CANCEL_OF_REBUILDS),
        planned_bytes: Some(told.planned_bytes.bytes()),
        done_bytes: told.done_bytes.bytes(),
        notes: if sources.is_empty() { Vec::new() } else { vec![copies] },
        ..work(engine, JobKind::Rebuild, key, &told.replica, course)
    }
}

fn failed_rebuild(engine: &Object<Engine>, replica: &str, error: &str) -> Outcome {
    let message = format!("Replica {replica} of volume {} was not rebuilt: {error}.", engine.spec.volume_name);
    let next_step = "It is tried again by itself, up to five times; mend what it says.";
    let cause = Cause::new(CauseCode::ReplicaFailed, Severity::Warning, message, next_step);
    Outcome::Failed(cause.about([replica, engine.spec.volume_name.as_str()]).into())
}

/// On all replicas together; none where the last one had nothing to do.
fn purge(engine: &Object<Engine>) -> Option<Work> {
    let told = &engine.status.purge_status;
    let planned = told.values().map(|one| one.planned_bytes.bytes()).fold(0, u64::saturating_add);
    let is_running = told.values().any(|one| one.is_purging);
    let errors: Vec<String> = told
        .iter()
        .filter(|(_, one)| !one.error.is_empty())
        .map(|(replica, one)| format!("{replica}: {}", one.error))
        .collect();
    if !is_running && planned == 0 && errors.is_empty() {
        return None;
    }
    let marks = told.iter().map(|(replica, one)| format!("{replica} {} {}", one.planned_bytes, one.error)).collect();
    let course = match (is_running, errors.is_empty()) {
        (true, _) => Course::Runs("merging"),
        (false, true) => Course::Ended { outcome: Outcome::Succeeded, marks },
        (false, false) => Course::Ended { outcome: failed_purge(engine, &errors), marks },
    };
    let volume = &engine.spec.volume_name;
    Some(Work {
        started_by: StartedBy::System("Snapshots were removed, and their space is given back.".to_owned()),
        cancel: Chance::Impossible(NO_CANCEL_OF_PURGES),
        planned_bytes: Some(planned),
        done_bytes: told.values().map(|one| one.done_bytes.bytes()).fold(0, u64::saturating_add),
        ..work(engine, JobKind::Purge, keys::purge(engine.name()), volume, course)
    })
}

fn failed_purge(engine: &Object<Engine>, errors: &[String]) -> Outcome {
    let volume = &engine.spec.volume_name;
    let message = format!("Snapshots of volume {volume} could not be merged: {}.", errors.join("; "));
    let next_step = "It is tried again by itself; mend what it says.";
    Outcome::Failed(
        Cause::new(CauseCode::PurgeFailed, Severity::Warning, message, next_step).about([volume.as_str()]).into(),
    )
}

/// None where the last one had nothing to read: its sums were known.
fn hash(engine: &Object<Engine>) -> Option<Work> {
    let told = engine.status.hash.as_ref()?;
    let planned = told.replicas.values().map(|one| one.total_bytes.bytes()).fold(0, u64::saturating_add);
    if !told.running && planned == 0 {
        return None;
    }
    let is_over = |phase: HashPhase| matches!(phase, HashPhase::Hashed | HashPhase::Failed);
    let over = told.replicas.iter().filter(|(_, one)| is_over(one.phase));
    let marks = over
        .map(|(replica, one)| format!("{} {replica} {} {}", told.snapshot, one.last_hashed_at, one.error))
        .collect();
    let course = match told.running {
        true => Course::Runs("reading"),
        false => Course::Ended { outcome: hashed(engine, told), marks },
    };
    let way = Way::Hash { engine: engine.name().to_owned(), snapshot: told.snapshot.clone() };
    let key = format!("engine/{}/hash/{}", engine.name(), told.snapshot);
    Some(Work {
        started_by: StartedBy::System(
            "The volume's snapshots are checked regularly (snapshotDataIntegrity).".to_owned(),
        ),
        cancel: Chance::Possible(way),
        planned_bytes: Some(planned),
        done_bytes: told.replicas.values().map(|one| one.done_bytes.bytes()).fold(0, u64::saturating_add),
        notes: if told.note.is_empty() { Vec::new() } else { vec![(Level::Warning, told.note.clone())] },
        ..work(engine, JobKind::SnapshotHash, key, &told.snapshot, course)
    })
}

fn hashed(engine: &Object<Engine>, told: &HashProgress) -> Outcome {
    let (snapshot, volume) = (&told.snapshot, &engine.spec.volume_name);
    let names = |damaged: fn(&crate::resources::engine::ReplicaHash) -> bool| -> Vec<&str> {
        told.replicas.iter().filter(|(_, one)| damaged(one)).map(|(replica, _)| replica.as_str()).collect()
    };
    let corrupted = names(|one| one.silently_corrupted);
    if !corrupted.is_empty() {
        let message = format!(
            "Snapshot {snapshot} of volume {volume} is not what it was on {}: the disk returns other data than was \
             written.",
            corrupted.join(", ")
        );
        let next_step = "Replicas with damage are rebuilt by themselves from good ones. Look at the disk.";
        let cause = Cause::new(CauseCode::SnapshotDamaged, Severity::Error, message, next_step);
        return Outcome::Failed(cause.about(corrupted).into());
    }
    let failed = told.replicas.iter().find(|(_, one)| one.phase == HashPhase::Failed);
    let Some((replica, one)) = failed else { return Outcome::Succeeded };
    let message = format!("Snapshot {snapshot} of volume {volume} could not be read on {replica}: {}.", one.error);
    Outcome::Failed(crate::jobs::Failure::new(message, "It is tried again by itself; look at the disk."))
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
