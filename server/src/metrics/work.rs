//! What the controllers' queues do.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use super::histogram::Histogram;
use super::page::{Kind, Page};
use crate::controllers::queue::{WeakQueue, WorkQueue};

/// The buckets that Kubernetes' own queues have: from 10 ns to 10 s.
const BOUNDS: &[f64] = &[1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];

/// Numbers of one queue, kept beside it.
#[derive(Clone, Debug)]
pub struct Work {
    pub adds: u64,
    pub retries: u64,
    /// From being ready to being worked on.
    pub waited: Histogram,
    /// One pass.
    pub worked: Histogram,
}

impl Default for Work {
    fn default() -> Self {
        Self { adds: 0, retries: 0, waited: Histogram::new(BOUNDS), worked: Histogram::new(BOUNDS) }
    }
}

/// A queue as it is now.
#[derive(Clone, Debug)]
pub struct Figures {
    pub work: Work,
    /// Keys that are ready and wait for a worker.
    pub depth: usize,
    /// For how long each key that is worked on has been.
    pub running: Vec<Duration>,
}

static QUEUES: LazyLock<Mutex<BTreeMap<&'static str, WeakQueue>>> = LazyLock::new(Mutex::default);

/// From now on the queue of this controller is told of.
pub fn watch(controller: &'static str, queue: &WorkQueue) {
    QUEUES.lock().unwrap_or_else(PoisonError::into_inner).insert(controller, queue.downgrade());
}

fn figures() -> Vec<(&'static str, Figures)> {
    let queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
    queues.iter().filter_map(|(name, queue)| Some((*name, queue.upgrade()?.figures()))).collect()
}

pub(super) fn write(page: &mut Page) {
    let all = figures();
    let mut gauge = |name, help, value: &dyn Fn(&Figures) -> f64| {
        let mut family = page.gauge(name, help);
        all.iter().for_each(|(name, figures)| family.sample(&[("name", name)], value(figures)));
    };
    gauge("longhorn_workqueue_depth", "Keys that wait for a worker.", &|figures| figures.depth as f64);
    gauge(
        "longhorn_workqueue_unfinished_work_seconds",
        "Sum of the time for which keys have been worked on that are not done.",
        &|figures| figures.running.iter().map(Duration::as_secs_f64).sum(),
    );
    gauge(
        "longhorn_workqueue_longest_running_processor_seconds",
        "For how long the oldest pass has been running.",
        &|figures| figures.running.iter().max().map_or(0.0, Duration::as_secs_f64),
    );
    let mut counter = |name, help, value: fn(&Work) -> u64| {
        let mut family = page.counter(name, help);
        all.iter().for_each(|(name, figures)| family.sample(&[("name", name)], value(&figures.work) as f64));
    };
    counter("longhorn_workqueue_adds_total", "Keys that became ready.", |work| work.adds);
    counter("longhorn_workqueue_retries_total", "Passes that failed and are tried again.", |work| work.retries);
    let mut histogram = |name, help, of: fn(&Work) -> &Histogram| {
        let mut family = page.family(name, Kind::Histogram, help);
        all.iter().for_each(|(name, figures)| family.histogram(&[("name", name)], of(&figures.work)));
    };
    histogram("longhorn_workqueue_queue_duration_seconds", "Time that keys waited for a worker.", |work| &work.waited);
    histogram("longhorn_workqueue_work_duration_seconds", "Time that passes of controllers took.", |work| &work.worked);
}
