//! The task that looks at all engines and disks, and brings what it saw to the table.

use std::sync::Weak;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::keeper::{self, FLUSH_PERIOD};
use super::level::{LEVELS, RAW_STEP};
use super::memory::Memory;
use super::space::SpaceSample;
use super::{Shared, gone};
use crate::resources::node::READY;
use crate::resources::{Node, condition};
use crate::settings::{Name, Settings};
use crate::store::Store;

/// After a longer pause nobody can say when what was done was done.
const PAUSE_MAXIMUM: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

/// Until there are no samples any more.
pub(super) async fn run(shared: Weak<Shared>, settings: Settings, store: Store) {
    let (mut flushed, mut spaces, mut is_on) = (Instant::now(), 0, true);
    let mut changes = store.changes();
    if let Some(shared) = shared.upgrade() {
        gone::sweep(&shared, &store).await;
    }
    loop {
        let gone = tokio::select! {
            () = tokio::time::sleep(until_next()) => None,
            gone = gone::next(&mut changes) => Some(gone),
        };
        let Some(shared) = shared.upgrade() else { return };
        if let Some(gone) = gone {
            gone::forget(&shared, &store, &gone).await;
            continue;
        }
        if !settings.flag(Name::SamplesEnabled) {
            // What was seen while it was on is kept; what comes is a gap.
            if std::mem::take(&mut is_on) {
                flush(&shared, &settings, true).await;
                *shared.memory() = Memory::default();
            }
            shared.meters().look(0);
            continue;
        }
        is_on = true;
        look(&shared);
        let minute = now() / LEVELS[0].step;
        if minute != spaces {
            spaces = minute;
            look_at_disks(&shared, &store).await;
        }
        if flushed.elapsed() >= FLUSH_PERIOD {
            flushed = Instant::now();
            gone::sweep(&shared, &store).await;
            flush(&shared, &settings, false).await;
        }
    }
}

/// Looks are made when a step of the clock ends, so that each is of one step.
fn until_next() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let step = Duration::from_secs(RAW_STEP);
    step.saturating_sub(Duration::from_nanos(u64::try_from(since.as_nanos() % step.as_nanos()).unwrap_or_default()))
}

/// What all volumes did since the last look.
pub(super) fn look(shared: &Shared) {
    let at = Instant::now();
    let before = shared.memory().looked.replace(at);
    let elapsed = before.map(|before| at - before);
    let rounded = |elapsed: Duration| u64::try_from((elapsed.as_millis() + 50) / 100).unwrap_or_default().max(1);
    let deciseconds = elapsed.map_or(0, rounded);
    let done = shared.meters().look(deciseconds);
    let Some(elapsed) = elapsed.filter(|elapsed| *elapsed <= PAUSE_MAXIMUM) else { return };
    // Its middle says in which step it was.
    let middle = now().saturating_sub(elapsed.as_secs() / 2);
    let moment = middle - middle % RAW_STEP;
    let mut memory = shared.memory();
    memory.since.get_or_insert(moment);
    for (volume, sample) in done {
        let is_news = !sample.is_idle();
        memory.io.record(&volume, moment, &sample, is_news);
    }
}

async fn look_at_disks(shared: &Shared, store: &Store) {
    let nodes = match store.list_shared::<Node>().await {
        Ok(nodes) => nodes,
        Err(error) => return tracing::warn!(%error, "the space of disks could not be noted"),
    };
    let now = now();
    let moment = now - now % LEVELS[0].step;
    let mut memory = shared.memory();
    for node in nodes.iter().filter(|node| condition::is_true(&node.status.conditions, READY)) {
        for (name, status) in &node.status.disk_status {
            let available = status.storage_available.bytes();
            let sample = SpaceSample {
                maximum: status.storage_maximum.bytes(),
                available,
                available_minimum: available,
                scheduled: status.storage_scheduled.bytes(),
                reserved: node.spec.disks.get(name).map_or(0, |disk| disk.storage_reserved.bytes()),
            };
            let series = format!("{}/{name}", node.name());
            let is_news = memory.space.last(&series).is_none_or(|last| *last != sample);
            if sample.maximum > 0 {
                memory.space.record(&series, moment, &sample, is_news);
            }
        }
    }
}

/// Writes what is new, or all.
pub(super) async fn flush(shared: &Shared, settings: &Settings, all: bool) {
    write(shared, all).await;
    let Some(pool) = &shared.pool else { return };
    let bytes = settings.number(Name::SamplesMaxSizeMib).saturating_mul(MIB);
    if let Err(error) = keeper::forget(pool, now(), bytes).await {
        tell(&error, "old samples could not be forgotten");
    }
}

/// The last look, and the last write.
pub(super) async fn finish(shared: &Shared) {
    if shared.pool.is_some() {
        look(shared);
        write(shared, true).await;
    }
}

async fn write(shared: &Shared, all: bool) {
    let Some(pool) = &shared.pool else { return };
    let _turn = shared.writing.lock().await;
    let now = now();
    let (io, space) = {
        let mut memory = shared.memory();
        (memory.io.take(now, all), memory.space.take(now, all))
    };
    if let Err((error, rows)) = keeper::write(pool, io).await {
        tell(&error, "samples of volumes could not be written; trying again");
        shared.memory().io.give_back(rows);
    }
    if let Err((error, rows)) = keeper::write(pool, space).await {
        tell(&error, "samples of disks could not be written; trying again");
        shared.memory().space.give_back(rows);
    }
}

pub(super) fn tell(error: &sqlx::Error, what: &'static str) {
    match error {
        // The manager ends.
        sqlx::Error::PoolClosed => tracing::debug!(%error, what),
        error => tracing::warn!(%error, what),
    }
}
