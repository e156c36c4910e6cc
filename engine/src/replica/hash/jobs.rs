//! Hashes in the background of a replica's process: one at a time, and not beside another one of the node.
//!
//! ```text
//!            started         the node's lock is ours          the sum is on the disk
//!   (None) ──────────► Waiting ──────────────────────► Running ─────────────────────► Complete
//!                         │                                │
//!                         └── cancelled, or an error ──────┴──► Failed
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::{HashControl, HashError, NodeLock, SnapshotChecksum};
use crate::crash_point;
use crate::replica::{Replica, ReplicaError};

/// How far the hash of one snapshot is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashState {
    /// Never hashed, or not since the file last changed.
    None,
    /// Another hash runs on this node.
    Waiting,
    Running {
        done_bytes: u64,
        total_bytes: u64,
    },
    Complete(SnapshotChecksum),
    /// The text says why; a cancellation is one reason.
    Failed {
        why: String,
    },
}

/// The hashes of one process. Dropping it cancels the one that runs.
#[derive(Debug, Default)]
pub struct HashJobs {
    lock: NodeLock,
    /// The last one that was started.
    last: Mutex<Option<Job>>,
}

#[derive(Clone, Debug)]
struct Job {
    snapshot: String,
    control: Arc<HashControl>,
    phase: Arc<Mutex<Phase>>,
}

#[derive(Clone, Debug)]
enum Phase {
    Waiting,
    Running,
    Ended(Result<(), String>),
}

impl Job {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> bool {
        !matches!(*self.phase(), Phase::Ended(_))
    }

    /// Runs in a thread of its own.
    fn run(&self, lock: &NodeLock, replica: &Replica, rehash: bool) {
        let hashed = lock.take(&self.snapshot, &self.control).and_then(|_held| {
            crash_point::reached("hash.lock-taken");
            *self.phase() = Phase::Running;
            replica.hash_snapshot(&self.snapshot, rehash, &self.control)
        });
        if let Err(error) = &hashed {
            tracing::warn!(snapshot = self.snapshot, %error, "not hashed");
        }
        *self.phase() = Phase::Ended(hashed.map(drop).map_err(|error| error.to_string()));
    }
}

impl HashJobs {
    #[must_use]
    pub fn new(lock: NodeLock) -> Self {
        Self { lock, last: Mutex::default() }
    }

    fn last(&self) -> MutexGuard<'_, Option<Job>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to hash a snapshot. One that is being hashed already goes on.
    ///
    /// # Errors
    /// [`HashError::Busy`] while another snapshot of this replica is hashed; what [`Replica::snapshot_checksum`] says
    /// of a snapshot that can't be hashed.
    pub fn start(&self, replica: &Arc<Replica>, snapshot: &str, rehash: bool) -> Result<(), HashError> {
        replica.snapshot_checksum(snapshot)?;
        let mut last = self.last();
        if let Some(running) = last.as_ref().filter(|job| job.runs()) {
            if running.snapshot == snapshot {
                return Ok(());
            }
            return Err(HashError::Busy { wanted: snapshot.to_owned(), running: running.snapshot.clone() });
        }
        let job = Job {
            snapshot: snapshot.to_owned(),
            control: Arc::new(HashControl::default()),
            phase: Arc::new(Mutex::new(Phase::Waiting)),
        };
        let (lock, replica, started) = (self.lock.clone(), Arc::clone(replica), job.clone());
        std::thread::Builder::new()
            .name("hash".to_owned())
            .spawn(move || started.run(&lock, &replica, rehash))
            .map_err(|source| ReplicaError::Failed { why: format!("no thread for a hash can be started: {source}") })?;
        *last = Some(job);
        Ok(())
    }

    /// How far the hash of this snapshot is; without one in this process, what its checksum file says.
    ///
    /// # Errors
    /// As [`Replica::snapshot_checksum`].
    pub fn state(&self, replica: &Replica, snapshot: &str) -> Result<HashState, HashError> {
        let job = self.last().clone().filter(|job| job.snapshot == snapshot);
        let phase = job.as_ref().map(|job| job.phase().clone());
        match (job, phase) {
            (Some(_), Some(Phase::Waiting)) => Ok(HashState::Waiting),
            (Some(job), Some(Phase::Running)) => {
                let (done_bytes, total_bytes) = job.control.progress();
                Ok(HashState::Running { done_bytes, total_bytes })
            }
            (_, Some(Phase::Ended(Err(why)))) => Ok(HashState::Failed { why }),
            // The file says it, and whether it is still true.
            _ => Ok(replica.snapshot_checksum(snapshot)?.map_or(HashState::None, HashState::Complete)),
        }
    }

    /// Ends the hash of this snapshot, if one runs.
    pub fn cancel(&self, snapshot: &str, why: &str) {
        if let Some(job) = self.last().as_ref().filter(|job| job.snapshot == snapshot) {
            job.control.cancel(why);
        }
    }

    /// Ends whatever runs.
    pub fn cancel_all(&self, why: &str) {
        if let Some(job) = self.last().as_ref() {
            job.control.cancel(why);
        }
    }

    /// The lock that this process shares with others of its node.
    #[must_use]
    pub fn lock(&self) -> &NodeLock {
        &self.lock
    }
}

impl Drop for HashJobs {
    fn drop(&mut self) {
        self.cancel_all("its process is being stopped");
    }
}
