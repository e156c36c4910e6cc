//! What backups and restores share: threads of their own, and the way from there to the volume.
//!
//! ```text
//!   engine's runtime (one thread)            a transfer's own threads, of low priority
//!   volume, links to replicas   ◄──Crossing── hashing, compression, HTTP
//! ```
//!
//! Invariants: the engine's thread never hashes, compresses or waits for a target. What a transfer wants of the volume is
//! done by a task of the engine's runtime, at most as much at a time as its [`Crossing`] has places: that bounds memory,
//! and what stands in the way of foreground requests. After [`Crossing::drained`] nothing that the transfer asked for is
//! on its way any more, so a write of a restore that was cancelled does not land behind the next one's back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::Shared;
use super::barrier::OperationError;
use crate::backup::lock::all_released;
use crate::backup::{BackupError, Progress};
use crate::grpc::engine_v1::TransferState;
use crate::sys::low_priority;

/// Threads for one transfer, where the machine has as many processors: more would only compete with those whom the
/// volume is there for.
const THREADS_MAXIMUM: usize = 4;
/// How long work that cannot be interrupted (the hash of a block) may go on after a transfer's end before it is left alone.
const END_PATIENCE: Duration = Duration::from_secs(5);
/// How long the lock of a transfer that was cancelled may take to be removed from its target. One that stays keeps
/// deletions waiting until it is too old.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Runs `work` to its end on threads of its own. The receiver fails if they break down.
///
/// # Errors
/// The system gives no thread.
pub(super) fn on_own_threads<F, T>(name: &str, work: F) -> std::io::Result<oneshot::Receiver<T>>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let label = name.to_owned();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        lower();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = processors.clamp(1, THREADS_MAXIMUM);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(threads * 2)
            .thread_name(label)
            .on_thread_start(lower)
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => {
                let outcome = runtime.block_on(work);
                runtime.shutdown_timeout(END_PATIENCE);
                // Nobody may be waiting any more.
                let _ = tell.send(outcome);
            }
            Err(error) => tracing::error!(%error, "no threads for a transfer"),
        }
    })?;
    Ok(told)
}

fn lower() {
    if let Err(error) = low_priority::lower_this_thread() {
        tracing::debug!(%error, "the priority of a thread stays as it is");
    }
}

/// Runs `work` as [`on_own_threads`] does, and waits for its end.
pub(super) async fn finished<F, T>(name: &str, work: F) -> Result<T, Ended>
where
    F: Future<Output = Result<T, Ended>> + Send + 'static,
    T: Send + 'static,
{
    let told = on_own_threads(name, async move {
        let outcome = work.await;
        if let Err(Ended::Cancelled) = outcome {
            // Those of other transfers of this process hold it up no longer than that either.
            let _ = tokio::time::timeout(LOCK_PATIENCE, all_released()).await;
        }
        outcome
    });
    let told = told.map_err(|error| Ended::failed(format!("the system gives no thread: {error}")))?;
    told.await.unwrap_or_else(|_| Err(Ended::failed("its threads ended unexpectedly; see the engine's log".to_owned())))
}

/// Why a transfer ended before it was complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Cancelled,
    Failed {
        why: String,
        /// Empty where `why` says it, or nobody knows.
        next_step: String,
    },
}

impl Ended {
    pub(super) fn failed(why: String) -> Self {
        Self::Failed { why, next_step: String::new() }
    }

    /// Nobody is there any more who would finish it.
    pub(super) fn given_up() -> Self {
        Self::failed("it was given up before its end".to_owned())
    }

    pub(super) fn state(&self) -> TransferState {
        match self {
            Self::Cancelled => TransferState::TransferCancelled,
            Self::Failed { .. } => TransferState::TransferFailed,
        }
    }

    /// For the status: what happened, and what to do.
    pub(super) fn words(&self) -> (String, String) {
        match self {
            Self::Cancelled => ("it was cancelled".to_owned(), String::new()),
            Self::Failed { why, next_step } => (why.clone(), next_step.clone()),
        }
    }
}

impl From<BackupError> for Ended {
    fn from(error: BackupError) -> Self {
        let next_step = match &error {
            BackupError::Store(error) => error.next_step().to_owned(),
            _ => String::new(),
        };
        Self::Failed { why: error.to_string(), next_step }
    }
}

impl From<OperationError> for Ended {
    fn from(error: OperationError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<EngineEnded> for Ended {
    fn from(error: EngineEnded) -> Self {
        Self::failed(error.to_string())
    }
}

/// Has watchers of the status look again whenever a transfer is further, until nobody is there to be further.
pub(super) fn tell_of(shared: &Arc<Shared>, progress: &Progress) {
    let (shared, mut amounts) = (Arc::clone(shared), progress.watch());
    tokio::spawn(async move {
        while amounts.changed().await.is_ok() {
            shared.changed.tell();
        }
    });
}

/// Bytes a second since `started`.
pub(super) fn rate(bytes: u64, started: Instant) -> u64 {
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1000) / milliseconds
}

/// The engine has ended, or its part of the work has panicked.
#[derive(Debug, thiserror::Error)]
#[error("the engine of the volume has ended")]
pub(super) struct EngineEnded;

/// The way from a transfer's threads to the engine's.
#[derive(Clone)]
pub(super) struct Crossing {
    engine: Handle,
    places: Arc<Semaphore>,
    count: u32,
}

impl Crossing {
    /// To the runtime that this is called on.
    pub(super) fn from_here(places: u32) -> Self {
        Self { engine: Handle::current(), places: Arc::new(Semaphore::new(places as usize)), count: places }
    }

    /// Has the engine do `work`; it is done to its end even when the caller goes away.
    ///
    /// # Errors
    /// [`EngineEnded`].
    pub(super) async fn run<F, T>(&self, work: F) -> Result<T, EngineEnded>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| EngineEnded)?;
        let task = self.engine.spawn(async move {
            let outcome = work.await;
            drop(place);
            outcome
        });
        task.await.map_err(|_| EngineEnded)
    }

    /// Resolves when nothing is under way; whoever is to call this has nobody left who begins something.
    pub(super) async fn drained(&self) {
        // Never closed: an error is not possible, and nothing would be under way then either.
        drop(self.places.acquire_many(self.count).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_runs_on_other_threads_and_reaches_back() {
        let here = std::thread::current().id();
        let crossing = Crossing::from_here(2);
        let across = crossing.clone();
        let told = on_own_threads("transfer", async move {
            let engines = across.run(async { std::thread::current().id() }).await.unwrap();
            (engines, std::thread::current().id())
        });
        let (engines, own) = told.unwrap().await.unwrap();
        assert_eq!(engines, here, "the engine's work is done on the engine's thread");
        assert_ne!(own, here);
    }

    #[tokio::test]
    async fn what_was_begun_is_waited_for_although_its_caller_left() {
        let crossing = Crossing::from_here(2);
        let (go, wait) = oneshot::channel::<()>();
        let (tell, mut told) = oneshot::channel();
        let mut asked = Box::pin(crossing.run(async move {
            let _ = wait.await;
            let _ = tell.send(());
        }));
        assert!(futures::poll!(&mut asked).is_pending());
        drop(asked);
        let mut drained = Box::pin(crossing.drained());
        assert!(futures::poll!(&mut drained).is_pending());
        go.send(()).unwrap();
        drained.await;
        assert_eq!(told.try_recv(), Ok(()));
    }

    #[tokio::test]
    async fn a_panic_on_the_own_threads_is_told() {
        let told = on_own_threads("transfer", async { assert!(std::env::args().count() == 0, "as the test wants it") });
        assert!(told.unwrap().await.is_err());
    }
}
