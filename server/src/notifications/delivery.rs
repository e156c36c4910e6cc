//! Tells each target what waits for it: a task for each that has something, one message at a time, with pauses.
//!
//! | pause | how long |
//! |---|---|
//! | after a message that was taken | [`MESSAGE_PAUSE`] |
//! | after one that was not | [`RETRY_FIRST`], doubled up to [`RETRY_LONGEST`], or as the target says |
//!
//! What waits meanwhile goes into the next message. A notice that waits for longer than [`GIVEN_UP`] is dropped and counted.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::Shared;
use super::keeper;

/// A target gets no more than a message in this time.
const MESSAGE_PAUSE: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_LONGEST: Duration = Duration::from_secs(15 * 60);
/// News of the day before is none.
const GIVEN_UP: Duration = Duration::from_secs(24 * 60 * 60);
/// Notices in one message.
const TOGETHER_MAXIMUM: u32 = 50;
/// Targets are looked for at least this often: the database may not have answered.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// Until the task is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let busy: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let mut tasks = JoinSet::new();
    loop {
        match keeper::list(&shared.pool).await {
            Ok(targets) => {
                for target in targets.into_iter().filter(|target| target.waiting > 0 && target.spec.enabled) {
                    let is_new = busy.lock().unwrap_or_else(PoisonError::into_inner).insert(target.name.clone());
                    if is_new {
                        tasks.spawn(empty(shared.clone(), target.name, busy.clone()));
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "targets of notifications can't be read; trying again"),
        }
        tokio::select! {
            () = shared.filled.notified() => {}
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Tells one target until nothing waits for it.
async fn empty(shared: Arc<Shared>, target: String, busy: Arc<Mutex<BTreeSet<String>>>) {
    let mut retry = RETRY_FIRST;
    loop {
        let pause = match tell(&shared, &target).await {
            Ok(Told::Nothing) => break,
            Ok(Told::Taken) => {
                retry = RETRY_FIRST;
                MESSAGE_PAUSE
            }
            Ok(Told::Refused(after)) => {
                let pause = after.unwrap_or_default().max(retry);
                retry = (2 * retry).min(RETRY_LONGEST);
                pause
            }
            Err(error) => {
                tracing::warn!(%error, target, "notices can't be read; trying again");
                RETRY_FIRST
            }
        };
        // Who changed the target wants to see what comes of it.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.changed.notified() => {}
        }
    }
    busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&target);
}

/// What became of a message.
enum Told {
    Nothing,
    Taken,
    /// With the time that the target asked for.
    Refused(Option<Duration>),
}

async fn tell(shared: &Shared, target: &str) -> Result<Told, sqlx::Error> {
    // As it is now: it may have been changed, or deleted.
    let Some(kept) = keeper::find(&shared.pool, target).await?.filter(|kept| kept.spec.enabled) else {
        return Ok(Told::Nothing);
    };
    let waiting = keeper::waiting(&shared.pool, target, TOGETHER_MAXIMUM).await?;
    if waiting.is_empty() {
        return Ok(Told::Nothing);
    }
    let (ids, notices): (Vec<i64>, Vec<_>) = waiting.into_iter().unzip();
    match shared.sender.send(&kept.spec, &shared.secrets.of(target), &notices).await {
        Ok(()) => {
            keeper::delivered(&shared.pool, target, &ids).await?;
            Ok(Told::Taken)
        }
        Err(error) => {
            tracing::warn!(%error, target, "a notification was not taken; it is tried again");
            let oldest = OffsetDateTime::now_utc() - GIVEN_UP;
            keeper::failed(&shared.pool, target, &error.to_string(), oldest).await?;
            Ok(Told::Refused(error.retry_after))
        }
    }
}
