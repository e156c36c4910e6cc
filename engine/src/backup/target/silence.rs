//! Whether a file server is still there, as all calls to it tell together.
//!
//! ```text
//!   answers ──a call gets none, or fails as with a dead server──► in doubt ──for as long as can be borne──► silent
//!      ▲                                                            │                                        │
//!      └──────────────────────an answer to any call─────────────────┴────────────────────────────────────────┤
//!                                                                          asked again after a rest ◄────────┘
//! ```
//! Each call by itself could wait for as long as the kernel's client does, minutes with some options, and an operation makes
//! one call after the other: what failed again, the rest of its work, its lock. So all calls share one time. When a server
//! has answered none of them for that long, those that wait fail together, and new ones fail at once for a while.
//!
//! Invariants: a server that answers any call is not silent, however slow it is; an operation that ends with its first
//! given up call ends within that time, counted from the first call without an answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::fault::{ErrorKind, StoreError};

/// Cheap to clone; clones know the same.
#[derive(Clone)]
pub(crate) struct Silence {
    state: Arc<watch::Sender<State>>,
    /// Who is silent, for people.
    who: Arc<str>,
    /// How long it may be.
    bearable: Duration,
}

impl Silence {
    pub(crate) fn new(who: &str, bearable: Duration) -> Self {
        Self { state: Arc::default(), who: who.into(), bearable }
    }

    /// Takes notice of how a call ended that began at `begun`.
    pub(crate) fn heard<T>(&self, begun: Instant, outcome: &Result<T, StoreError>) {
        match failure(outcome) {
            None => self.heard_answer(),
            Some(why) => {
                let now = Instant::now();
                self.state.send_modify(|state| state.doubt(begun, now, why, self.bearable));
            }
        }
    }

    /// The same of a call that was given up before. That it fails in the end is nothing new.
    pub(crate) fn heard_late<T>(&self, outcome: &Result<T, StoreError>) {
        if failure(outcome).is_none() {
            self.heard_answer();
        }
    }

    /// The server has done something.
    pub(crate) fn heard_answer(&self) {
        self.state.send_if_modified(|state| state.answer(Instant::now()));
    }

    /// Returns when the server is silent, for a call that began at `begun`.
    pub(crate) async fn falls(&self, begun: Instant) {
        self.falls_for(Some(begun)).await;
    }

    /// Returns when the server is silent, as far as calls tell that have ended.
    pub(crate) async fn is_given_up(&self) {
        self.falls_for(None).await;
    }

    async fn falls_for(&self, begun: Option<Instant>) {
        let mut changes = self.state.subscribe();
        loop {
            let now = Instant::now();
            let state = changes.borrow_and_update().clone();
            if state.rests(now) {
                return;
            }
            let end = state.end(begun, now, self.bearable);
            if end.is_some_and(|end| end <= now) {
                self.state.send_modify(|state| state.rests_until = Some(now + self.bearable / 2));
                return;
            }
            let ends = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The sender lives as long as this.
                _ = changes.changed() => {}
                () = ends => {}
            }
        }
    }

    /// Whether it is to be left alone.
    pub(crate) fn rests(&self) -> bool {
        self.state.borrow().rests(Instant::now())
    }

    /// What a call is told that is given up, or not made.
    pub(crate) fn error(&self, verb: &'static str, what: &str) -> StoreError {
        let seconds = self.bearable.as_secs();
        let why = match self.state.borrow().doubt_at(Instant::now(), self.bearable) {
            Some(doubt) => format!("{}, and that for {seconds} s", doubt.why),
            None => format!("{} has not answered for {seconds} s", self.who),
        };
        StoreError::new(ErrorKind::Timeout, verb, what, why).given_up()
    }

    /// That one call has lasted too long; others may have been answered meanwhile.
    pub(crate) fn late(&self, verb: &'static str, what: &str, limit: Duration) -> StoreError {
        let why = format!("{} has not answered this for {} s", self.who, limit.as_secs());
        StoreError::new(ErrorKind::Timeout, verb, what, why).given_up()
    }
}

/// Why nobody seems to be there, if that is how a call ended.
fn failure<T>(outcome: &Result<T, StoreError>) -> Option<&str> {
    let error = outcome.as_ref().err()?;
    matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout).then(|| error.reason())
}

#[derive(Clone, Default)]
struct State {
    answered: Option<Instant>,
    doubt: Option<Doubt>,
    /// Nothing is asked before.
    rests_until: Option<Instant>,
}

/// Calls have failed since the last answer, as they do when nobody is there.
#[derive(Clone)]
struct Doubt {
    /// When the first of them began.
    since: Instant,
    /// When the last of them ended.
    last: Instant,
    why: String,
}

impl State {
    /// Whether that is news to anybody: answers are many.
    fn answer(&mut self, now: Instant) -> bool {
        let is_news = self.doubt.is_some() || self.rests_until.is_some();
        *self = Self { answered: Some(now), ..Self::default() };
        is_news
    }

    fn doubt(&mut self, begun: Instant, now: Instant, why: &str, bearable: Duration) {
        let since = self.doubt_at(now, bearable).map_or(begun, |doubt| doubt.since.min(begun));
        self.doubt = Some(Doubt { since, last: now, why: why.to_owned() });
        // A rest that is over is no reason to forget this.
        self.rests_until = self.rests_until.filter(|until| now < *until);
    }

    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// When it is silent if nothing is heard until then.
    fn end(&self, begun: Option<Instant>, now: Instant, bearable: Duration) -> Option<Instant> {
        let in_doubt = self.doubt_at(now, bearable).map(|doubt| doubt.since);
        let since = begun.into_iter().chain(in_doubt).min()?;
        Some(self.answered.map_or(since, |answered| answered.max(since)) + bearable)
    }

    /// What is known, unless that is old, or a rest was made since.
    fn doubt_at(&self, now: Instant, bearable: Duration) -> Option<&Doubt> {
        let is_over = self.rests_until.is_some_and(|until| until <= now);
        self.doubt.as_ref().filter(|doubt| !is_over && now < doubt.last + bearable)
    }
}

#[cfg(test)]
#[path = "silence_tests.rs"]
mod tests;
