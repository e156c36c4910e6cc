//! One call at a time for each volume.
//!
//! Kubernetes repeats calls that take long, while the first is still at work. Whoever comes second waits for a while, and is
//! then mostly answered at once, by what the first has done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use crate::failure::Failure;

/// Then the caller is told to come again; more waiting calls than there is patience for can't pile up.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many calls wait for one volume; a caller has one at work, and one more when it lost patience with that.
const WAITING_MAXIMUM: usize = 8;

type Line = Arc<tokio::sync::Mutex<()>>;

/// Who is at work on what. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<HashMap<String, Line>>>);

/// Held while a call works; dropping it lets the next one in.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    name: String,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn on `name`.
    pub async fn take(&self, name: &str) -> Result<Turn, Failure> {
        self.take_within(name, PATIENCE).await
    }

    async fn take_within(&self, name: &str, patience: Duration) -> Result<Turn, Failure> {
        let busy = || Failure::busy(format_args!("another call for {name} is still at work"));
        let line = {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let line = lines.entry(name.to_owned()).or_default();
            // One is the map's own.
            if Arc::strong_count(line) > WAITING_MAXIMUM {
                return Err(busy());
            }
            Arc::clone(line)
        };
        let mut turn = Turn { turns: self.clone(), name: name.to_owned(), held: None };
        turn.held = Some(tokio::time::timeout(patience, line.lock_owned()).await.map_err(|_| busy())?);
        Ok(turn)
    }

    /// Forgets lines that nobody stands in.
    fn tidy(&self, name: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.get(name).is_some_and(|line| Arc::strong_count(line) == 1) {
            lines.remove(name);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held.take();
        self.turns.tidy(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    const SOON: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn one_at_a_time_and_nothing_is_kept() {
        let turns = Turns::default();
        let first = turns.take("a").await.unwrap();
        assert_eq!(turns.take_within("a", SOON).await.unwrap_err().kind, Kind::Busy);
        let other = turns.take("b").await.unwrap();
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take("a").await.map(drop) }
        });
        drop(first);
        waiting.await.unwrap().unwrap();
        drop(other);
        assert!(turns.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_line_is_bounded() {
        let turns = Turns::default();
        let _first = turns.take("a").await.unwrap();
        let waiting: Vec<_> = (1..WAITING_MAXIMUM)
            .map(|_| {
                let turns = turns.clone();
                tokio::spawn(async move { turns.take("a").await.map(drop) })
            })
            .collect();
        while Arc::strong_count(turns.0.lock().unwrap().get("a").unwrap()) <= WAITING_MAXIMUM {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.take("a").await.unwrap_err().kind, Kind::Busy, "at once");
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
