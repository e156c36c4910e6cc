//! File operations that may never come back: a dead file server leaves the thread that asked in the kernel.
//!
//! Each runs on a thread of its own, not on the runtime's: the runtime waits for those when it ends, and these are left
//! behind. So that a dead server can't eat all threads, only a few run at a time in a store, and one that never comes
//! back keeps its place. Who waits for a place or for an answer waits for a limited time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use super::fault::{ErrorKind, StoreError};

/// File operations at a time in one store: enough to keep a file server busy over a network, few enough to lose.
const PLACES: usize = 16;

#[derive(Clone)]
pub(crate) struct Blocking {
    places: Arc<Semaphore>,
    timeout: Duration,
}

impl Blocking {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), timeout }
    }

    /// The answer of `work`, or an error that says that there was none in time. `work` may end later than this.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        verb: &'static str,
        what: &str,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let places = Arc::clone(&self.places);
        let answered = async {
            let place = places.acquire_owned().await.map_err(|_| "the store was closed".to_owned())?;
            let (answer, answered) = oneshot::channel();
            let run = move || {
                let result = work();
                // Before the answer, so that whoever has it finds the place free.
                drop(place);
                let _ = answer.send(result);
            };
            let thread = std::thread::Builder::new().name("backup-files".to_owned());
            thread.spawn(run).map_err(|error| format!("no thread could be started for it: {error}"))?;
            answered.await.map_err(|_| "the thread that did it panicked".to_owned())
        };
        match tokio::time::timeout(self.timeout, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(why)) => Err(StoreError::new(ErrorKind::Other, verb, what, why)),
            Err(_) => {
                let why = format!("the file system has not answered for {} s", self.timeout.as_secs());
                Err(StoreError::new(ErrorKind::Timeout, verb, what, why))
            }
        }
    }
}
