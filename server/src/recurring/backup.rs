//! Backing a volume up within a run.
//!
//! Invariants: **a run makes at most one backup of a volume**, however often it is begun: the backup names the run from its
//! first moment on, and who comes again finds it. What is given up is given up only after the new backup is complete in its
//! target, and is the job's own.

use std::collections::BTreeMap;
use std::time::Duration;

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::recurring_job::Task;
use aurochs_api::snapshot::Snapshot as Layer;
use tokio::time::Instant;

use super::part::Part;
use super::reach::Changes;
use super::trouble::Trouble;
use super::{retain, take};
use crate::error::ApiError;
use crate::resources::backup::{BackupMode, BackupState, LABEL_BACKUP_VOLUME};
use crate::resources::recurring_job::{ANNOTATION_RUN, LABEL_MADE_BY, RecurringJobSpec};
use crate::resources::{Backup, BackupTarget, Object, Snapshot};
use crate::routes::volume::snapshot_backup;
use crate::settings::Name;

/// A first backup of many terabytes takes this long over a slow line; then the run tells of it, and it goes on by itself.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
const LOOK_PERIOD: Duration = Duration::from_secs(5);
/// Parameter of a job: each n-th run makes a backup of everything.
const FULL_BACKUP_INTERVAL: &str = "full-backup-interval";

/// Says what became of it.
pub(super) async fn run(part: &Part) -> Result<String, Trouble> {
    check_target(part).await?;
    let job = part.job.name();
    let known = backups(part).await?;
    let (name, said) = match known.iter().find(|backup| is_of_run(backup, &part.run)) {
        Some(backup) => (backup.name().to_owned(), None),
        None => {
            if part.job.spec.task == Task::Backup {
                part.give_up().await?;
                if let Some(unchanged) = unchanged(part, &known).await? {
                    return Ok(unchanged);
                }
            }
            let snapshot = take::take(part).await?;
            let made = ask(part, &snapshot).await?;
            (made, Some(format!("snapshot {snapshot} is taken")))
        }
    };
    let made = wait(part, &name).await?;
    let mut told: Vec<String> = said.into_iter().collect();
    told.push(format!("backup {name} is complete"));
    let known = backups(part).await?;
    let surplus = beyond(&known, job, part.job.spec.retain);
    for name in &surplus {
        // One that a volume gets its data from goes with a later run.
        let needed = match known.iter().find(|backup| backup.name() == name.as_str()) {
            Some(backup) => crate::backups::needed::by(&part.context.store, backup).await?,
            None => None,
        };
        if let Some(volume) = needed {
            tracing::info!(backup = name, job, volume, "beyond what the job keeps, and needed still");
            continue;
        }
        match part.context.store.delete::<Backup>(name).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => tracing::info!(volume = part.name(), backup = name, job, "beyond what the job keeps"),
        }
    }
    if !surplus.is_empty() {
        told.push(format!("gives up {}, beyond the newest {}", surplus.join(", "), part.job.spec.retain));
    }
    told.extend(give_up_snapshots(part, &made).await?);
    Ok(told.join("; "))
}

async fn check_target(part: &Part) -> Result<(), Trouble> {
    let name = &part.volume.spec.backup_target_name;
    let target = part.context.store.find::<BackupTarget>(name).await?;
    match target {
        Some(target) if !target.spec.backup_target_url.is_empty() => Ok(()),
        Some(_) => Err(Trouble::Said(format!("backup target {name} has no address: give it one"))),
        None => Err(Trouble::Said(format!("there is no backup target {name}: choose another one for the volume"))),
    }
}

/// All backups of the volume in its target.
async fn backups(part: &Part) -> Result<Vec<Object<Backup>>, Trouble> {
    let mut known = part.context.store.list_labelled::<Backup>(LABEL_BACKUP_VOLUME, part.name()).await?;
    known.retain(|backup| backup.target() == part.volume.spec.backup_target_name);
    Ok(known)
}

fn is_of_run(backup: &Object<Backup>, run: &str) -> bool {
    !backup.is_deleting() && backup.metadata.annotations.get(ANNOTATION_RUN).is_some_and(|of| of == run)
}

fn is_own(backup: &Object<Backup>, job: &str) -> bool {
    let says = |labels: &BTreeMap<String, String>| labels.get(LABEL_MADE_BY).is_some_and(|maker| maker == job);
    says(&backup.spec.labels) || says(&backup.status.labels)
}

/// What is said when nothing was written since the newest backup.
async fn unchanged(part: &Part, known: &[Object<Backup>]) -> Result<Option<String>, Trouble> {
    let counts = |backup: &&Object<Backup>| backup.status.state == BackupState::Completed && !backup.is_deleting();
    let newest = known.iter().filter(counts).max_by_key(|backup| backup.status.snapshot_created_at.clone());
    let Some(newest) = newest else { return Ok(None) };
    let engine = part.engine().await?;
    let written = written_since(&engine.status.snapshots, &newest.status.snapshot_name);
    let nothing = format!("nothing was written since backup {}: none is made", newest.name());
    Ok((written == Some(0)).then_some(nothing))
}

/// Bytes on the disk of one replica above this snapshot; none when the head does not stand on it. A size without a difference
/// may be there, a difference without a size not (see [`super::new_data`]).
fn written_since(layers: &BTreeMap<String, Layer>, snapshot: &str) -> Option<u64> {
    let chain = std::iter::successors(layers.get(VOLUME_HEAD), |layer| layers.get(&layer.parent));
    let mut size = 0_u64;
    for layer in chain.take(layers.len()) {
        if layer.name == snapshot {
            return Some(size);
        }
        size = size.saturating_add(layer.size.bytes());
    }
    None
}

async fn ask(part: &Part, snapshot: &str) -> Result<String, Trouble> {
    let mut labels = part.job.spec.labels.clone();
    labels.insert(LABEL_MADE_BY.to_owned(), part.job.name().to_owned());
    let mode = mode(&part.job.spec, part.job.status.execution_count);
    let said = |error: ApiError| Trouble::Said(error.message);
    let mut made =
        snapshot_backup::new(&part.context.store, &part.volume, snapshot, mode, labels).await.map_err(said)?;
    made.metadata.annotations.insert(ANNOTATION_RUN.to_owned(), part.run.clone());
    Ok(part.context.store.create(&made).await?.name().to_owned())
}

/// `count`: which run of the job it is, from 1.
fn mode(job: &RecurringJobSpec, count: u64) -> BackupMode {
    let interval = job.parameters.get(FULL_BACKUP_INTERVAL).and_then(|text| text.trim().parse::<u64>().ok());
    match interval.filter(|interval| *interval > 0) {
        Some(interval) if count.is_multiple_of(interval) => BackupMode::Full,
        _ => BackupMode::Incremental,
    }
}

/// The backup controller does it, attaches the volume for that if need be, and tries again what may pass.
async fn wait(part: &Part, name: &str) -> Result<Object<Backup>, Trouble> {
    let deadline = Instant::now() + PATIENCE;
    let mut changes = Changes::of(&part.context.store);
    loop {
        let found = part.context.store.find::<Backup>(name).await?.filter(|backup| !backup.is_deleting());
        let Some(backup) = found else {
            return Err(Trouble::Said(format!("backup {name} was deleted before it was complete")));
        };
        match backup.status.state {
            BackupState::Completed => return Ok(backup),
            BackupState::Error => {
                return Err(Trouble::Said(format!("backup {name} was not made: {}", backup.status.error)));
            }
            _ if Instant::now() >= deadline => {
                let hours = PATIENCE.as_secs() / 3600;
                return Err(Trouble::Said(format!("backup {name} is not complete after {hours} hours; it goes on")));
            }
            _ => changes.next(part.name(), LOOK_PERIOD).await,
        }
    }
}

/// Names of the job's own backups beyond the newest `retain` complete ones, the oldest first. One that is not complete takes
/// nobody's place, and goes by itself (failed-backup-ttl).
fn beyond(known: &[Object<Backup>], job: &str, retain: u32) -> Vec<String> {
    let counts = |backup: &&Object<Backup>| {
        is_own(backup, job) && backup.status.state == BackupState::Completed && !backup.is_deleting()
    };
    let mut own: Vec<&Object<Backup>> = known.iter().filter(counts).collect();
    own.sort_by_key(|backup| (backup.status.snapshot_created_at.clone(), backup.name().to_owned()));
    let surplus = own.len().saturating_sub(usize::try_from(retain.max(1)).unwrap_or(usize::MAX));
    own.into_iter().take(surplus).map(|backup| backup.name().to_owned()).collect()
}

/// The snapshot of the newest backup stays: the next one is the difference to it.
async fn give_up_snapshots(part: &Part, made: &Object<Backup>) -> Result<Option<String>, Trouble> {
    let is_tidy = part.context.settings.flag(Name::AutoCleanupRecurringJobBackupSnapshot);
    let keep = if is_tidy { 1 } else { part.job.spec.retain };
    let known = part.known().await?;
    let own = retain::beyond(&known, part.job.spec.task, part.job.name(), keep);
    let names: Vec<&str> = own.into_iter().filter(|name| *name != made.spec.snapshot_name).collect();
    for name in &names {
        match part.context.store.delete::<Snapshot>(name).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    Ok((!names.is_empty()).then(|| format!("gives up the snapshots {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::backup::BackupSpec;
    use aurochs_api::size::ByteSize;

    fn backup(name: &str, second: u32, maker: &str, state: BackupState) -> Object<Backup> {
        let mut backup = Object::<Backup>::new(name, BackupSpec::default());
        backup.spec.labels.insert(LABEL_MADE_BY.into(), maker.into());
        backup.status.snapshot_created_at = format!("2026-11-21T10:00:{second:02}Z");
        backup.status.state = state;
        backup
    }

    /// behaviour.md §8, row "backup": this job's backups beyond `retain`.
    #[test]
    fn retain_counts_the_jobs_own_complete_ones() {
        use BackupState::{Completed, Error, InProgress};
        let all = [
            backup("c", 3, "job", Completed),
            backup("a", 1, "job", Completed),
            backup("b", 2, "job", Completed),
            backup("mine", 0, "", Completed),
            backup("others", 0, "another", Completed),
            backup("failed", 9, "job", Error),
            backup("runs", 9, "job", InProgress),
        ];
        assert_eq!(beyond(&all, "job", 3), Vec::<String>::new());
        assert_eq!(beyond(&all, "job", 2), ["a"]);
        assert_eq!(beyond(&all, "job", 0), ["a", "b"], "one stays at least");
    }

    /// behaviour.md §8, row "parameters": full when executionCount % n = 0, never for 0.
    #[test]
    fn full_backups_at_their_interval() {
        let job = |interval: &str| RecurringJobSpec {
            parameters: [(FULL_BACKUP_INTERVAL.to_owned(), interval.to_owned())].into(),
            ..RecurringJobSpec::default()
        };
        let fulls = |interval: &str| (1..=6).filter(|count| mode(&job(interval), *count) == BackupMode::Full).collect();
        let fulls: [Vec<u64>; 4] = ["0", "1", "3", "x"].map(fulls);
        assert_eq!(fulls, [vec![], vec![1, 2, 3, 4, 5, 6], vec![3, 6], vec![]]);
        assert_eq!(mode(&RecurringJobSpec::default(), 1), BackupMode::Incremental);
    }

    #[test]
    fn what_was_written_above_the_snapshot_of_the_last_backup() {
        let layer = |name: &str, parent: &str, size| {
            let layer = Layer { name: name.into(), parent: parent.into(), size: ByteSize(size), ..Layer::default() };
            (name.to_owned(), layer)
        };
        let layers = BTreeMap::from([layer(VOLUME_HEAD, "b", 0), layer("b", "a", 7), layer("a", "", 9)]);
        assert_eq!(written_since(&layers, "b"), Some(0));
        assert_eq!(written_since(&layers, "a"), Some(7));
        assert_eq!(written_since(&layers, "gone"), None, "what is not known is backed up");
        let ring = BTreeMap::from([layer(VOLUME_HEAD, "b", 0), layer("b", "b", 7)]);
        assert_eq!(written_since(&ring, "gone"), None);
    }
}
