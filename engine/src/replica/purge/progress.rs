//! How a purge stands, who may stop it, and how much rest it takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Step;
use crate::replica::ReplicaError;

/// ```text
///   None ──begin──► Running ──► Complete
///                      └──────► Failed (an error, a stop, the end of the process)
/// ```
/// The next purge begins with `Running` again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurgeState {
    #[default]
    None,
    Running,
    Complete,
    Failed {
        error: String,
    },
}

/// What people are told about a purge of one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeStatus {
    pub state: PurgeState,
    /// Bytes that were to be copied or looked through when it began.
    pub planned_bytes: u64,
    pub done_bytes: u64,
}

/// How much of the time a purge works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Rest after a step, as a multiple of the time that the step took: it takes longer when the disk is busy.
    pub rest: f32,
}

/// However slow a disk is, a stop or a close need not wait longer for the thread to look up.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// How long the last step of a stopped run may take before the next run is refused.
const LONGEST_STEP: Duration = Duration::from_secs(10);

impl Default for Pace {
    /// Half of the time.
    fn default() -> Self {
        Self { rest: 1.0 }
    }
}

impl Pace {
    pub(super) fn rest_after(self, step: Duration) -> Duration {
        step.min(LONGEST_REST).mul_f32(self.rest.max(0.0)).min(LONGEST_REST)
    }
}

/// One run, as its thread and those who ask see it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: Mutex<PurgeState>,
    /// Told when the state is `Running` no more.
    ended: Condvar,
    stopped: Mutex<Option<String>>,
    planned: AtomicU64,
    done: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    pub(super) fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // Snapshots that were removed meanwhile are done too.
        self.planned.fetch_max(done, Ordering::Relaxed);
    }

    /// Fails once somebody has stopped the run.
    pub(super) fn check(&self) -> Result<(), ReplicaError> {
        match &*lock(&self.stopped) {
            Some(why) => Err(ReplicaError::PurgeStopped { why: why.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn end(&self, outcome: &Result<Step, ReplicaError>) {
        *lock(&self.state) = match outcome {
            Ok(_) => {
                self.done.store(self.planned.load(Ordering::Relaxed), Ordering::Relaxed);
                PurgeState::Complete
            }
            Err(error) => PurgeState::Failed { error: error.to_string() },
        };
        self.ended.notify_all();
    }

    pub(super) fn give_up(&self) {
        let mut state = lock(&self.state);
        if *state == PurgeState::Running {
            *state = PurgeState::Failed { error: "the purge ended before its time; start it again".to_owned() };
        }
        self.ended.notify_all();
    }

    fn wait_for_the_end(&self) {
        let running = |state: &mut PurgeState| *state == PurgeState::Running;
        let state = lock(&self.state);
        drop(self.ended.wait_timeout_while(state, LONGEST_STEP, running));
    }

    fn status(&self) -> PurgeStatus {
        PurgeStatus {
            state: lock(&self.state).clone(),
            planned_bytes: self.planned.load(Ordering::Relaxed),
            done_bytes: self.done.load(Ordering::Relaxed),
        }
    }
}

/// The last purge of an open replica.
#[derive(Debug, Default)]
pub(in crate::replica) struct Slot(Mutex<Arc<Progress>>);

impl Slot {
    /// `None` while one runs. One that was stopped may be in the middle of its last step, which must not meet the first
    /// of the next.
    pub(super) fn begin(&self, planned: u64) -> Option<Arc<Progress>> {
        let last = Arc::clone(&lock(&self.0));
        if lock(&last.stopped).is_some() {
            last.wait_for_the_end();
        }
        let mut current = lock(&self.0);
        if *lock(&current.state) == PurgeState::Running {
            return None;
        }
        let fresh = Arc::new(Progress { planned: planned.into(), ..Progress::default() });
        *lock(&fresh.state) = PurgeState::Running;
        *current = Arc::clone(&fresh);
        Some(fresh)
    }

    pub(super) fn stop(&self, why: &str) {
        let current = Arc::clone(&lock(&self.0));
        lock(&current.stopped).get_or_insert_with(|| why.to_owned());
    }

    pub(super) fn status(&self) -> PurgeStatus {
        let current = Arc::clone(&lock(&self.0));
        current.status()
    }
}
