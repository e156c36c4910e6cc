//! Jobs that run, and how those ended that ended since the manager started.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aurochs_api::job::{JobKind, JobState};

use super::page::Page;
use crate::jobs::{Jobs, WeakJobs};

static WATCHED: Mutex<Option<WeakJobs>> = Mutex::new(None);
static ENDED: Mutex<BTreeMap<(JobKind, JobState), u64>> = Mutex::new(BTreeMap::new());

/// From now on these are told of.
pub fn watch(jobs: &Jobs) {
    *WATCHED.lock().unwrap_or_else(PoisonError::into_inner) = Some(jobs.downgrade());
}

/// One ended so.
pub fn ended(kind: JobKind, outcome: JobState) {
    *ENDED.lock().unwrap_or_else(PoisonError::into_inner).entry((kind, outcome)).or_default() += 1;
}

pub(super) fn write(page: &mut Page) {
    let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut running: BTreeMap<JobKind, u64> = BTreeMap::new();
    for seen in watched.and_then(|jobs| jobs.upgrade()).iter().flat_map(Jobs::recent) {
        if seen.record.is_running() {
            *running.entry(seen.record.kind).or_default() += 1;
        }
    }
    let mut family = page.gauge("aurochs_jobs_running", "Jobs that run.");
    for (kind, count) in running {
        family.sample(&[("kind", kind.word())], count as f64);
    }
    let ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut family = page.counter("aurochs_jobs_ended_total", "Jobs that ended, by how.");
    for ((kind, outcome), count) in &*ended {
        family.sample(&[("kind", kind.word()), ("outcome", outcome.word())], *count as f64);
    }
}
