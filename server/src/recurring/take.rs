//! Taking a run's snapshot of a volume.
//!
//! Invariant: **a run takes at most one snapshot of a volume**, however often it is begun: the resource that asks for it
//! names the run from its first moment on, and who comes again finds it. One that an earlier run left untaken is used
//! instead of another.

use std::time::Duration;

use aurochs_api::recurring_job::Task;
use tokio::time::Instant;
use uuid::Uuid;

use super::new_data::NewData;
use super::part::Part;
use super::reach::Changes;
use super::retain::is_own;
use super::trouble::Trouble;
use crate::resources::recurring_job::{ANNOTATION_RUN, LABEL_MADE_BY};
use crate::resources::snapshot::SnapshotSpec;
use crate::resources::{Object, Snapshot};

/// Longhorn waits as long: 390 looks, one every 5 s.
const TAKE_PATIENCE: Duration = Duration::from_secs(390 * 5);
const LOOK_PERIOD: Duration = Duration::from_secs(5);
/// As many characters of `<job>-c` begin a snapshot's name.
const NAME_BEGINNING_LENGTH: usize = 8;

/// Takes one, new data or not, and answers with its name.
pub(super) async fn take(part: &Part) -> Result<String, Trouble> {
    let known = part.known().await?;
    let name = match asked_for(&known, &part.run, part.job.name()) {
        Some(snapshot) => adopt(part, snapshot).await?,
        None => ask(part).await?,
    };
    wait(part, &name).await?;
    Ok(name)
}

/// Says what became of it.
pub(super) async fn run(part: &Part) -> Result<String, Trouble> {
    let known = part.known().await?;
    let name = match asked_for(&known, &part.run, part.job.name()) {
        Some(snapshot) => adopt(part, snapshot).await?,
        None => {
            let engine = part.engine().await?;
            let new = NewData::of(&engine.status.snapshots);
            if part.job.spec.task == Task::Snapshot && new.size.bytes() == 0 {
                return Ok(match new.since {
                    Some(since) => format!("nothing was written since snapshot {since}: none is taken"),
                    None => "nothing was written yet: none is taken".to_owned(),
                });
            }
            ask(part).await?
        }
    };
    wait(part, &name).await?;
    Ok(format!("snapshot {name} is taken"))
}

/// This run's own, or one that an earlier run waited for in vain.
fn asked_for<'a>(known: &'a [Object<Snapshot>], run: &str, job: &str) -> Option<&'a Object<Snapshot>> {
    let stays = || known.iter().filter(|snapshot| !snapshot.is_deleting() && snapshot.spec.create_snapshot);
    let names_run =
        |snapshot: &&Object<Snapshot>| snapshot.metadata.annotations.get(ANNOTATION_RUN).is_some_and(|of| of == run);
    let waits = |snapshot: &&Object<Snapshot>| snapshot.status.creation_time.is_empty() && is_own(snapshot, job);
    stays().find(names_run).or_else(|| stays().find(waits))
}

/// From now on it is this run's.
async fn adopt(part: &Part, snapshot: &Object<Snapshot>) -> Result<String, Trouble> {
    let note = |snapshot: &mut Object<Snapshot>| {
        snapshot.metadata.annotations.insert(ANNOTATION_RUN.to_owned(), part.run.clone());
    };
    part.context.store.modify::<Snapshot>(snapshot.name(), note).await?;
    Ok(snapshot.name().to_owned())
}

async fn ask(part: &Part) -> Result<String, Trouble> {
    let mut labels = part.job.spec.labels.clone();
    labels.insert(LABEL_MADE_BY.to_owned(), part.job.name().to_owned());
    let spec = SnapshotSpec { volume: part.name().to_owned(), create_snapshot: true, labels };
    let name = name(part.job.name());
    let mut snapshot = Object::<Snapshot>::new(&name, spec).owned_by_volume(&part.volume);
    snapshot.metadata.annotations.insert(ANNOTATION_RUN.to_owned(), part.run.clone());
    part.context.store.create(&snapshot).await?;
    Ok(name)
}

fn name(job: &str) -> String {
    let beginning: String = format!("{job}-c").chars().take(NAME_BEGINNING_LENGTH).collect();
    format!("{beginning}-{}", Uuid::new_v4())
}

/// The snapshot controller takes it, attaches the volume for that if need be, and tries again what is refused.
async fn wait(part: &Part, name: &str) -> Result<(), Trouble> {
    let deadline = Instant::now() + TAKE_PATIENCE;
    let mut changes = Changes::of(&part.context.store);
    loop {
        let Some(snapshot) =
            part.context.store.find::<Snapshot>(name).await?.filter(|snapshot| !snapshot.is_deleting())
        else {
            return Err(Trouble::Said(format!("snapshot {name} was deleted before it was taken")));
        };
        if snapshot.status.ready_to_use {
            return Ok(());
        }
        let why = if snapshot.status.error.is_empty() { "its engine did not take it" } else { &snapshot.status.error };
        if !snapshot.status.creation_time.is_empty() && !snapshot.status.error.is_empty() {
            return Err(Trouble::Said(format!("snapshot {name} was taken and can't be used: {why}")));
        }
        if Instant::now() >= deadline {
            let minutes = TAKE_PATIENCE.as_secs() / 60;
            let text = format!("snapshot {name} is not taken after {minutes} minutes: {why}");
            return Err(Trouble::Said(format!("{text}. It stays asked for, and the next run waits for the same one")));
        }
        changes.next(part.name(), LOOK_PERIOD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// behaviour.md §8, row "snapshot name".
    #[test]
    fn names_begin_with_the_job() {
        for (job, beginning) in
            [("kube-snap", "kube-sna-"), ("db", "db-c-"), ("nightly", "nightly--"), ("a.b", "a.b-c-")]
        {
            let name = name(job);
            let uuid = name.strip_prefix(beginning).unwrap_or_default();
            assert!(Uuid::parse_str(uuid).is_ok(), "{name}");
            assert!(aurochs_api::ids::check_snapshot_name(&name).is_ok(), "{name}");
        }
    }

    /// behaviour.md §8, row "snapshot name": an unfinished earlier one of the job is reused.
    #[test]
    fn what_was_asked_for_is_found_again() {
        let snapshot = |name: &str, job: &str, run: &str, taken: &str| {
            let mut snapshot =
                Object::<Snapshot>::new(name, SnapshotSpec { create_snapshot: true, ..SnapshotSpec::default() });
            snapshot.spec.labels.insert(LABEL_MADE_BY.into(), job.into());
            snapshot.metadata.annotations.insert(ANNOTATION_RUN.into(), run.into());
            snapshot.status.creation_time = taken.into();
            snapshot
        };
        let taken = "2026-11-21T10:00:00Z";
        let mut going = snapshot("going", "job", "run", "");
        going.metadata.deletion_timestamp = Some(taken.into());
        for (known, expected) in [
            (vec![], None),
            (vec![snapshot("own", "job", "run", taken)], Some("own")),
            (vec![snapshot("waits", "job", "earlier", ""), snapshot("own", "job", "run", taken)], Some("own")),
            (vec![snapshot("waits", "job", "earlier", "")], Some("waits")),
            (vec![snapshot("older", "job", "earlier", taken)], None),
            (vec![snapshot("others", "another", "earlier", "")], None),
            (vec![going], None),
        ] {
            assert_eq!(asked_for(&known, "run", "job").map(Object::name), expected, "{known:?}");
        }
    }
}
