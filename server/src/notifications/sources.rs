//! What is told of: events, causes of volumes and ends of jobs. Each source remembers in the database how far it was looked
//! through, so that a manager that starts again goes on where the one before ended.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use aurochs_api::cause::CauseCode;
use aurochs_api::job::JobState;
use sqlx::SqlitePool;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::keeper::{self, Found};
use super::notice::Notice;
use crate::events::Events;
use crate::jobs::{Filter, Jobs, Page, Seen};
use crate::resources::{Object, Volume};
use crate::store::{Store, WatchEvent};

/// Events and jobs are written in batches: one that happened a little earlier may come a little later than another.
const OVERLAP: Duration = Duration::from_secs(10);
const EVENTS: &str = "events";
const JOBS: &str = "jobs";
/// Jobs that ended since the last look; more of them at once are a storm, of which the latest are told.
const JOBS_MAXIMUM: u32 = 500;
/// A pause after the database did not answer.
const PAUSE: Duration = Duration::from_secs(5);

/// Where found notices go.
#[derive(Clone)]
pub(super) struct Outbox {
    pub(super) pool: SqlitePool,
    /// Wakes who delivers.
    pub(super) filled: std::sync::Arc<Notify>,
}

impl Outbox {
    /// Nothing is written where nothing is new.
    async fn keep_new(&self, found: &Found, is_further: bool) -> Result<(), sqlx::Error> {
        if found.notices.is_empty() && !is_further { Ok(()) } else { self.keep(found).await }
    }

    async fn keep(&self, found: &Found) -> Result<(), sqlx::Error> {
        if keeper::keep(&self.pool, found).await? {
            self.filled.notify_one();
        }
        Ok(())
    }
}

/// Looks at events whenever there are new ones, until the task is aborted.
pub(super) fn follow_events(outbox: Outbox, events: Events) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut changed = events.changed();
        let mut told = HashSet::new();
        loop {
            if let Err(error) = look_at_events(&outbox, &events, &mut told).await {
                tracing::warn!(%error, "events can't be looked through for notifications; trying again");
                tokio::time::sleep(PAUSE).await;
            } else if changed.changed().await.is_err() {
                return;
            }
        }
    })
}

/// `told`: names and times of the last ones that were looked at, which are met again in the overlap.
async fn look_at_events(
    outbox: &Outbox,
    events: &Events,
    told: &mut HashSet<(String, i64)>,
) -> Result<(), sqlx::Error> {
    let now = keeper::millis(OffsetDateTime::now_utc());
    // What was before there were notifications is no news.
    let known = keeper::cursor(&outbox.pool, EVENTS).await?;
    let from = known.unwrap_or(now);
    let overlap = i64::try_from(OVERLAP.as_millis()).unwrap_or_default();
    let since = if told.is_empty() { from } else { from - overlap };
    let found = events.since(since).await?;
    let key = |event: &crate::events::Kept| (event.name.clone(), keeper::millis(event.last_seen));
    let new: Vec<_> = found.iter().filter(|event| !told.contains(&key(event))).collect();
    let last = found.iter().map(|event| keeper::millis(event.last_seen)).max().unwrap_or(from).max(from);
    let notices = new.iter().map(|event| Notice::of_event(event)).collect();
    let found_now = Found { notices, cursor: Some((EVENTS, last)), ..Found::default() };
    outbox.keep_new(&found_now, known != Some(last)).await?;
    told.retain(|(_, at)| *at >= last - overlap);
    told.extend(found.iter().map(key));
    Ok(())
}

/// Looks at jobs whenever one has changed, until the task is aborted.
pub(super) fn follow_jobs(outbox: Outbox, jobs: Jobs) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut changed = jobs.changed();
        let mut told = HashSet::new();
        loop {
            changed.mark_unchanged();
            if let Err(error) = look_at_jobs(&outbox, &jobs, &mut told).await {
                tracing::warn!(%error, "jobs can't be looked through for notifications; trying again");
                tokio::time::sleep(PAUSE).await;
            } else if changed.changed().await.is_err() {
                return;
            }
        }
    })
}

/// `told`: number and end of the last ones that were looked at.
async fn look_at_jobs(outbox: &Outbox, jobs: &Jobs, told: &mut HashSet<(String, i64)>) -> Result<(), sqlx::Error> {
    let known = keeper::cursor(&outbox.pool, JOBS).await?;
    let from = known.unwrap_or_else(|| keeper::millis(OffsetDateTime::now_utc()));
    let overlap = i64::try_from(OVERLAP.as_millis()).unwrap_or_default();
    let since = if told.is_empty() { from } else { from - overlap };
    let states = vec![JobState::Succeeded, JobState::Failed, JobState::Cancelled, JobState::Interrupted];
    let filter = Filter { states, from: keeper::moment(since), ..Filter::default() };
    let found = jobs.list(&filter, Page { limit: JOBS_MAXIMUM, before: None }).await?;
    let ended = |seen: &Seen| seen.record.ended_at().map_or(0, keeper::millis);
    let key = |seen: &Seen| (seen.record.id.to_string(), ended(seen));
    let new = found.iter().filter(|seen| ended(seen) > since && !told.contains(&key(seen)));
    let notices = new.filter_map(|seen| Notice::of_job(&seen.record)).collect();
    let last = found.iter().map(ended).max().unwrap_or(from).max(from);
    let found_now = Found { notices, cursor: Some((JOBS, last)), ..Found::default() };
    outbox.keep_new(&found_now, known != Some(last)).await?;
    told.retain(|(_, at)| *at >= last - overlap);
    told.extend(found.iter().filter(|seen| ended(seen) > since).map(key));
    Ok(())
}

/// Looks at the causes of volumes as they change, until the task is aborted.
pub(super) fn follow_causes(outbox: Outbox, store: &Store) -> JoinHandle<()> {
    let mut watch = store.watch::<Volume>();
    tokio::spawn(async move {
        let mut told = loop {
            match keeper::causes(&outbox.pool).await {
                Ok(told) => break told,
                Err(error) => {
                    tracing::warn!(%error, "the causes that were told of can't be read; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        while let Some(event) = watch.next().await {
            let found = match &event {
                WatchEvent::Applied(volume) => of_volume(volume, &told),
                // Nobody needs to know any more.
                WatchEvent::Deleted(volume) => Found { gone: of_object(volume.name(), &told), ..Found::default() },
            };
            if found.raised.is_empty() && found.gone.is_empty() {
                continue;
            }
            while let Err(error) = outbox.keep(&found).await {
                tracing::warn!(%error, "causes can't be kept for notifications; trying again");
                tokio::time::sleep(PAUSE).await;
            }
            told.extend(found.raised);
            told.retain(|known| !found.gone.contains(known));
        }
    })
}

fn of_object(object: &str, told: &BTreeSet<(String, String)>) -> Vec<(String, String)> {
    told.iter().filter(|(name, _)| name == object).cloned().collect()
}

/// What came up since it was told of, and what went.
fn of_volume(volume: &Object<Volume>, told: &BTreeSet<(String, String)>) -> Found {
    let name = volume.name();
    let mut found = Found::default();
    for cause in &volume.status.causes {
        let key = (name.to_owned(), cause.code.word().to_owned());
        if !told.contains(&key) && !found.raised.contains(&key) {
            found.notices.push(Notice::of_cause(name, cause));
            found.raised.push(key);
        }
    }
    let is_there = |code: &str| volume.status.causes.iter().any(|cause| cause.code.word() == code);
    found.gone = of_object(name, told).into_iter().filter(|(_, code)| !is_there(code)).collect();
    let codes: Vec<CauseCode> =
        CauseCode::all().filter(|code| found.gone.iter().any(|(_, gone)| gone == code.word())).collect();
    found.notices.extend(codes.into_iter().map(|code| Notice::of_gone_cause(name, code)));
    found
}

#[cfg(test)]
mod tests {
    use aurochs_api::cause::{Cause, Severity};

    use super::*;
    use crate::resources::volume::VolumeSpec;

    #[test]
    fn a_cause_is_told_when_it_comes_and_when_it_goes() {
        let mut volume = Object::<Volume>::new("data", VolumeSpec::default());
        let cause = Cause::new(CauseCode::Rebuilding, Severity::Info, "one replica is rebuilt", "");
        volume.status.causes = vec![cause.clone(), cause];
        let mut told = BTreeSet::new();
        let found = of_volume(&volume, &told);
        assert_eq!((found.notices.len(), found.raised.len(), found.gone.len()), (1, 1, 0));
        told.extend(found.raised);
        let again = of_volume(&volume, &told);
        assert_eq!((again.notices.len(), again.raised.len(), again.gone.len()), (0, 0, 0));
        volume.status.causes.clear();
        let gone = of_volume(&volume, &told);
        assert_eq!((gone.notices.len(), gone.gone.len()), (1, 1));
        assert_eq!(gone.notices[0].message, "rebuilding is over");
    }
}
