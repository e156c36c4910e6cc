//! File operations that may never come back: a dead file server leaves the thread that asked in the kernel.
//!
//! Each runs on a thread of its own, not on the runtime's: the runtime waits for those when it ends, and these are left
//! behind. So that a dead server can't eat all threads, only a few run at a time in a store, and one that never comes
//! back keeps its place. Who waits for a place or for an answer waits for a limited time, and less where nobody gets an
//! answer (`silence`).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep_until};

use super::fault::{ErrorKind, StoreError};
use super::silence::Silence;

/// File operations at a time in one store: enough to keep a file server busy over a network, few enough to lose.
const PLACES: usize = 16;

#[derive(Clone)]
pub(crate) struct Blocking {
    places: Arc<Semaphore>,
    timeout: Duration,
    silence: Silence,
}

impl Blocking {
    /// For operations of up to `timeout` each, which all end when `silence` falls.
    pub(crate) fn new(timeout: Duration, silence: Silence) -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), timeout, silence }
    }

    /// For one operation on what `who` has.
    pub(crate) fn once(timeout: Duration, who: &str) -> Self {
        Self::new(timeout, Silence::new(who, timeout))
    }

    pub(crate) fn silence(&self) -> &Silence {
        &self.silence
    }

    /// The answer of `work`, or an error that says that there was none in time. `work` may end later than this.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        verb: &'static str,
        what: &str,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        if self.silence.rests() {
            return Err(self.silence.error(verb, what));
        }
        let given_up = async {
            tokio::select! {
                () = self.silence.falls(begun) => self.silence.error(verb, what),
                () = sleep_until(begun + self.timeout) => self.silence.late(verb, what, self.timeout),
            }
        };
        let mut given_up = pin!(given_up);
        let broken = |why: String| StoreError::new(ErrorKind::Other, verb, what, why);
        let place = tokio::select! {
            biased;
            place = Arc::clone(&self.places).acquire_owned() => place.map_err(|_| broken("the store was closed".to_owned()))?,
            error = &mut given_up => return Err(error),
        };
        let (answer, mut answered) = oneshot::channel();
        let run = move || {
            let result = work();
            // Before the answer, so that whoever has it finds the place free.
            drop(place);
            let _ = answer.send(result);
        };
        let thread = std::thread::Builder::new().name("backup-files".to_owned());
        thread.spawn(run).map_err(|error| broken(format!("no thread could be started for it: {error}")))?;
        tokio::select! {
            biased;
            result = &mut answered => {
                let result = result.map_err(|_| broken("the thread that did it panicked".to_owned()))?;
                self.silence.heard(begun, &result);
                result
            }
            error = &mut given_up => {
                let silence = self.silence.clone();
                tokio::spawn(async move { answered.await.map(|result| silence.heard_late(&result)) });
                Err(error)
            }
        }
    }
}

#[cfg(test)]
#[path = "blocking_tests.rs"]
mod tests;
