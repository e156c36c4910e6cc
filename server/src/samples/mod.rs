//! What volumes did and what disks had, over time.
//!
//! 1. [`meter`] — counters of engines become what was done since the last look;
//! 2. [`io`] and [`space`] — one sample: what it holds, how two become one, its bytes; [`latency`] — times in it;
//! 3. [`level`] — the steps that are kept, and how long;
//! 4. [`memory`] — the last hour in the finest step, and what is not written yet;
//! 5. [`chunk`] — many points of one series as the bytes of a row; [`keeper`] — the table, its bounds;
//! 6. [`sampler`] — the task that looks, and writes; [`gone`] — volumes that are deleted; [`query`] — points for who asks.
//!
//! Samples are sums, and times are counted in buckets: whatever is put together later is as true as the parts. Every look
//! goes to all steps at once, and a write adds what memory has to what the row has. So a restart, a crash or a pause needs
//! no care: what was not seen is missing, and no line goes through it.
//!
//! Invariants: at most what [`keeper::FLUSH_PERIOD`] saw is lost in a crash; a volume or disk at rest is written when a row
//! is full and not before; the table never grows beyond the setting by more than one write; telling of samples never fails
//! and never holds up who tells.

mod chunk;
mod gone;
mod io;
mod keeper;
mod latency;
mod level;
mod memory;
mod meter;
mod query;
mod sampler;
mod space;
#[cfg(test)]
mod tests;
mod varint;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aurochs_engine::grpc::engine_v1::EngineStatus;
use sqlx::SqlitePool;

use crate::settings::Settings;
use crate::store::Store;
use memory::Memory;
use meter::Meters;

pub use query::{Answer, Asked, POINTS_MAXIMUM};

/// All samples. Cheap to clone; all clones are the same. The default takes none.
#[derive(Clone, Default)]
pub struct Samples(Arc<Shared>);

#[derive(Default)]
struct Shared {
    meters: Mutex<Meters>,
    memory: Mutex<Memory>,
    pool: Option<SqlitePool>,
    /// Held while memory goes to the table: who reads both would find something twice, or not at all.
    writing: tokio::sync::Mutex<()>,
}

impl Samples {
    /// Samples that are kept in this database, as the settings say. To be called inside a tokio runtime.
    #[must_use]
    pub fn open(pool: SqlitePool, settings: &Settings, store: &Store) -> Self {
        let shared = Arc::new(Shared { pool: Some(pool), ..Shared::default() });
        tokio::spawn(sampler::run(Arc::downgrade(&shared), settings.clone(), store.clone()));
        Self(shared)
    }

    /// The engine of this name told how it is.
    pub fn told(&self, engine: &str, status: &EngineStatus) {
        if self.0.pool.is_some() {
            self.0.meters().told(engine, status);
        }
    }

    /// Nobody listens to the engine any more.
    pub fn forget(&self, engine: &str) {
        self.0.meters().forget(engine);
    }

    /// Writes everything down: the manager ends.
    pub async fn settle(&self) {
        sampler::finish(&self.0).await;
    }
}

impl Shared {
    fn meters(&self) -> MutexGuard<'_, Meters> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
