//! Copies and expansions, from a volume and its engine.

use std::collections::{BTreeSet, HashSet};

use aurochs_api::cause::CauseCode;
use aurochs_api::size::ByteSize;
use futures::StreamExt;

use super::cancel::Way;
use super::keys;
use super::teller::Teller;
use super::touched::{Touched, touched};
use super::work::{Chance, Course, Work};
use crate::controllers::Context;
use crate::controllers::volume::expansion::present_size;
use crate::jobs::{JobKind, Level, Outcome, StartedBy};
use crate::resources::engine::{CloneProgress, RestorePhase};
use crate::resources::volume::CloneState;
use crate::resources::{Engine, LABEL_VOLUME, Object, Volume};
use crate::store::WatchEvent;

const NO_CANCEL_OF_CLONES: &str = "A copy that fails is begun again by itself. Delete the volume if it is not wanted any more: the copy ends with it.";
const NO_CANCEL_OF_GROWTH: &str = "The engine grows right now, which can't be taken back and ends within moments.";
const NO_CANCEL_OF_RESTORES: &str =
    "A volume that is half filled is of no use. Delete it if it is not wanted any more: the restore ends with it.";
const DELETED: &str = "The volume was deleted before this was done.";

/// Until the store ends.
pub(super) async fn follow(context: Context) {
    let store = context.store.clone();
    let mut touched = std::pin::pin!(touched::<Volume, Engine>(&store, |engine| &engine.spec.volume_name));
    let mut teller = Teller::new(&context);
    // Volumes with something under way: only of those an engine's changes matter.
    let mut busy = HashSet::new();
    while let Some(touched) = touched.next().await {
        let volume = match touched {
            Touched::Thing(WatchEvent::Deleted(volume)) => {
                busy.remove(volume.name());
                teller.forget(&prefix(volume.name()), DELETED);
                continue;
            }
            Touched::Thing(WatchEvent::Applied(volume)) => volume,
            Touched::PartOf(name) if !busy.contains(&name) => continue,
            Touched::PartOf(name) => match store.find::<Volume>(&name).await {
                Ok(Some(volume)) => volume,
                Ok(None) | Err(_) => continue,
            },
        };
        // What can't be read now is told by the next change.
        let Ok(engines) = store.list_labelled::<Engine>(LABEL_VOLUME, volume.name()).await else { continue };
        let prefix = prefix(volume.name());
        let now = works(&volume, engines.first(), &teller.open(&prefix));
        let is_busy = now.iter().any(|work| matches!(work.course, Course::Runs(_)));
        match is_busy {
            true => busy.insert(volume.name().to_owned()),
            false => busy.remove(volume.name()),
        };
        teller.tell(&prefix, now, DELETED);
    }
}

fn prefix(volume: &str) -> String {
    format!("volume/{volume}/")
}

/// All long work of the volume; `open` has the keys of its jobs that run.
fn works(volume: &Object<Volume>, engine: Option<&Object<Engine>>, open: &BTreeSet<String>) -> Vec<Work> {
    let filling = clone(volume, engine, open).into_iter().chain(restore(volume, engine, open));
    filling.chain(expansions(volume, engine, open)).collect()
}

fn work(volume: &Object<Volume>, kind: JobKind, key: String, why: String, course: Course) -> Work {
    let node = volume.status.current_node_id.clone();
    Work {
        key,
        kind,
        object: volume.name().to_owned(),
        volume: Some(volume.name().to_owned()),
        node: Some(node).filter(|node| !node.is_empty()),
        started_by: StartedBy::System(why),
        cancel: Chance::Impossible(""),
        course,
        planned_bytes: None,
        done_bytes: 0,
        notes: Vec::new(),
    }
}

/// What the volume's causes with one of these codes say.
fn notes(volume: &Object<Volume>, codes: &[CauseCode]) -> Vec<(Level, String)> {
    let causes = volume.status.causes.iter().filter(|cause| codes.contains(&cause.code));
    causes.map(|cause| (Level::Warning, cause.message.clone())).collect()
}

/// One job for all attempts, from the volume's creation until it can be used.
fn clone(volume: &Object<Volume>, engine: Option<&Object<Engine>>, open: &BTreeSet<String>) -> Option<Work> {
    let key = keys::clone(volume.name());
    let state = volume.status.clone_status.state;
    if volume.spec.data_source.is_empty() || (state == CloneState::Completed && !open.contains(&key)) {
        return None;
    }
    let course = match state {
        CloneState::None => Course::Runs("bringing both volumes up"),
        CloneState::Initiated => Course::Runs("copying"),
        CloneState::CopyCompletedAwaitingHealthy => Course::Runs("waiting until its replicas are whole"),
        CloneState::Failed => Course::Runs("waiting for the next attempt"),
        CloneState::Completed => Course::succeeded(),
    };
    let told = engine.and_then(|engine| engine.status.clone.as_ref());
    let why = format!("The volume is made from {}.", volume.spec.data_source);
    let bytes = |told: &CloneProgress| match state {
        // What the engine told last may be from before its last bytes.
        CloneState::Completed => told.planned_bytes.bytes(),
        _ => told.done_bytes.bytes(),
    };
    Some(Work {
        cancel: Chance::Impossible(NO_CANCEL_OF_CLONES),
        planned_bytes: told.map(|told| told.planned_bytes.bytes()),
        done_bytes: told.map_or(0, bytes),
        notes: match state {
            CloneState::Failed => notes(volume, &[CauseCode::CloneFailed]),
            _ => Vec::new(),
        },
        ..work(volume, JobKind::Clone, key, why, course)
    })
}

/// One job for all attempts of one backup. A standby volume has one for each backup that it gets.
fn restore(volume: &Object<Volume>, engine: Option<&Object<Engine>>, open: &BTreeSet<String>) -> Option<Work> {
    let key = keys::restore(volume.name());
    let told = engine.and_then(|engine| engine.status.restore.as_ref());
    let runs = told.is_some_and(|told| told.phase == RestorePhase::Runs);
    let is_waited_for = volume.status.restore_required && !volume.status.is_standby;
    if volume.spec.from_backup.is_empty() || !(runs || is_waited_for || open.contains(&key)) {
        return None;
    }
    let unfinished = engine.is_some_and(|engine| !engine.status.unfinished_restore.is_empty());
    let failed = volume.status.causes.iter().any(|cause| cause.code == CauseCode::RestoreFailed);
    let course = match told.map(|told| told.phase) {
        Some(RestorePhase::Runs) => Course::Runs("fetching"),
        _ if failed => Course::Runs("waiting for the next attempt"),
        _ if is_waited_for || unfinished => Course::Runs("waiting"),
        _ => Course::succeeded(),
    };
    let why = match told {
        Some(told) => format!("The volume gets backup {} of {}.", told.backup, told.volume),
        None => "The volume is made of a backup.".to_owned(),
    };
    Some(Work {
        cancel: Chance::Impossible(NO_CANCEL_OF_RESTORES),
        planned_bytes: told.map(|told| told.planned_bytes.bytes()).filter(|bytes| *bytes > 0),
        done_bytes: told.map_or(0, |told| told.done_bytes.bytes()),
        notes: notes(volume, &[CauseCode::RestoreFailed]),
        ..work(volume, JobKind::Restore, key, why, course)
    })
}

/// The one that is wished for, and those that a job still runs of.
fn expansions(volume: &Object<Volume>, engine: Option<&Object<Engine>>, open: &BTreeSet<String>) -> Vec<Work> {
    let Some(engine) = engine else { return Vec::new() };
    let (present, wished) = (present_size(engine), volume.spec.size);
    let is_wished = wished > present;
    let beginning = format!("{}expansion/", prefix(volume.name()));
    let others = open.iter().filter_map(|key| key.strip_prefix(&beginning)?.parse().ok().map(ByteSize));
    let others = others.filter(|size| !is_wished || *size != wished).map(|size| ended(volume, size, present));
    is_wished.then(|| growing(volume, engine, wished)).into_iter().chain(others).collect()
}

fn growing(volume: &Object<Volume>, engine: &Object<Engine>, size: ByteSize) -> Work {
    let (phase, cancel) = match engine.status.is_expanding {
        true => ("growing", Chance::Impossible(NO_CANCEL_OF_GROWTH)),
        false => ("waiting", Chance::Possible(Way::Expansion { volume: volume.name().to_owned(), size })),
    };
    let mut notes = notes(volume, &[CauseCode::ExpansionWaiting, CauseCode::ExpansionFailed]);
    notes.insert(0, (Level::Info, format!("It has {} and is to have {size}.", present_size(engine))));
    let why = format!("The volume is to have {size}.");
    let key = keys::expansion(volume.name(), size.bytes());
    Work { cancel, notes, ..work(volume, JobKind::Expansion, key, why, Course::Runs(phase)) }
}

fn ended(volume: &Object<Volume>, size: ByteSize, present: ByteSize) -> Work {
    let has_it = present >= size;
    let outcome = if has_it { Outcome::Succeeded } else { Outcome::Interrupted };
    let taken_back = (Level::Warning, format!("The wish for {size} was taken back; the volume has {present}."));
    let course = Course::Ended { outcome, marks: BTreeSet::new() };
    let key = keys::expansion(volume.name(), size.bytes());
    let notes = if has_it { Vec::new() } else { vec![taken_back] };
    let cancel = Chance::Impossible(NO_CANCEL_OF_GROWTH);
    Work { cancel, notes, ..work(volume, JobKind::Expansion, key, String::new(), course) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::engine::{CloneProgress, EngineSpec, EngineStatus};
    use crate::resources::volume::VolumeSpec;

    fn volume(mebibytes: u64, data_source: &str, state: CloneState) -> Object<Volume> {
        let spec = VolumeSpec { size: mib(mebibytes), data_source: data_source.into(), ..VolumeSpec::default() };
        let mut volume = Object::<Volume>::new("v", spec);
        volume.status.clone_status.state = state;
        volume
    }

    fn engine(mebibytes: u64, change: impl FnOnce(&mut EngineStatus)) -> Object<Engine> {
        let mut engine = Object::<Engine>::new("v-e-0", EngineSpec::default());
        engine.status.current_size = mib(mebibytes);
        change(&mut engine.status);
        engine
    }

    fn mib(count: u64) -> ByteSize {
        ByteSize(count << 20)
    }

    fn open(sizes: &[u64]) -> BTreeSet<String> {
        sizes.iter().map(|size| keys::expansion("v", mib(*size).bytes())).collect()
    }

    #[test]
    fn a_copy_is_one_job_until_the_volume_can_be_used() {
        let told = |state: CloneState, is_open: bool| {
            let progress = CloneProgress { planned_bytes: mib(4), done_bytes: mib(1), ..CloneProgress::default() };
            let engine = engine(8, |status| status.clone = Some(progress));
            let open = if is_open { BTreeSet::from([keys::clone("v")]) } else { BTreeSet::new() };
            works(&volume(8, "vol://source", state), Some(&engine), &open).pop()
        };
        let copying = told(CloneState::Initiated, false).unwrap();
        assert_eq!((&copying.course, copying.planned_bytes), (&Course::Runs("copying"), Some(4 << 20)));
        assert!(matches!(told(CloneState::Failed, true).unwrap().course, Course::Runs(_)), "it is tried again");
        let ended = told(CloneState::Completed, true).unwrap();
        assert!(matches!(ended.course, Course::Ended { outcome: Outcome::Succeeded, .. }));
        assert_eq!(told(CloneState::Completed, false), None, "it was over before");
        assert_eq!(works(&volume(8, "", CloneState::None), Some(&engine(8, |_| {})), &BTreeSet::new()), []);
    }

    #[test]
    fn a_restore_is_one_job_until_the_volume_can_be_used() {
        use crate::resources::engine::RestoreProgress;
        let told = |required: bool, phase: Option<RestorePhase>, is_open: bool| {
            let mut volume = volume(8, "", CloneState::None);
            volume.spec.from_backup = "vfs:///b?backup=one&volume=data".into();
            (volume.status.restore_initiated, volume.status.restore_required) = (true, required);
            let progress = |phase| RestoreProgress { phase, done_bytes: mib(1), ..RestoreProgress::default() };
            let engine = engine(8, |status| status.restore = phase.map(progress));
            let open = if is_open { BTreeSet::from([keys::restore("v")]) } else { BTreeSet::new() };
            works(&volume, Some(&engine), &open).pop()
        };
        assert_eq!(told(true, None, false).unwrap().course, Course::Runs("waiting"));
        assert_eq!(told(true, Some(RestorePhase::Runs), true).unwrap().course, Course::Runs("fetching"));
        assert_eq!(told(true, Some(RestorePhase::Complete), true).unwrap().course, Course::Runs("waiting"));
        let ended = told(false, Some(RestorePhase::Complete), true).unwrap();
        assert!(matches!(ended.course, Course::Ended { outcome: Outcome::Succeeded, .. }));
        assert_eq!(told(false, None, false), None, "it was over before");
    }

    /// Wished, present, sizes that jobs run of, and what is seen of them.
    #[test]
    fn expansions_end_by_the_size_that_the_volume_has() {
        for (wished, present, running, expected) in [
            (8, 8, &[][..], vec![]),
            (16, 8, &[], vec![(16, "runs")]),
            (16, 8, &[16], vec![(16, "runs")]),
            (16, 16, &[16], vec![(16, "succeeded")]),
            // Cancelled.
            (8, 8, &[16], vec![(16, "interrupted")]),
            // A larger one is wished for meanwhile.
            (32, 8, &[16], vec![(32, "runs"), (16, "interrupted")]),
            (32, 16, &[16], vec![(32, "runs"), (16, "succeeded")]),
        ] {
            let seen = works(&volume(wished, "", CloneState::None), Some(&engine(present, |_| {})), &open(running));
            let seen: Vec<_> = seen
                .iter()
                .map(|work| {
                    let bytes: u64 = work.key.rsplit('/').next().unwrap().parse().unwrap();
                    let word = match &work.course {
                        Course::Runs(_) => "runs",
                        Course::Ended { outcome: Outcome::Succeeded, .. } => "succeeded",
                        Course::Ended { .. } => "interrupted",
                    };
                    (bytes >> 20, word)
                })
                .collect();
            assert_eq!(seen, expected, "{wished} {present} {running:?}");
        }
    }

    #[test]
    fn an_expansion_can_be_cancelled_until_the_engine_grows() {
        let cancel = |growing: bool| {
            let engine = engine(8, |status| status.is_expanding = growing);
            works(&volume(16, "", CloneState::None), Some(&engine), &BTreeSet::new()).remove(0).cancel
        };
        assert_eq!(cancel(false), Chance::Possible(Way::Expansion { volume: "v".into(), size: mib(16) }));
        assert_eq!(cancel(true), Chance::Impossible(NO_CANCEL_OF_GROWTH));
    }
}
