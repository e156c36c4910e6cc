//! A keeper in memory, with the faults that a real one shows.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use aurochs_engine::volume::record::{Epoch, Generation, Keeper, KeeperError, Record};
use tokio::sync::watch;

/// How the keeper answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Answers,
    /// No question gets through.
    Unreachable,
    /// Changes are made, but their answers get lost.
    LosesAnswers,
}

#[derive(Clone)]
pub struct TestKeeper {
    state: Arc<Mutex<(Record, Mood)>>,
    /// Changes that were asked for.
    asked: Arc<watch::Sender<u64>>,
}

impl TestKeeper {
    pub fn new(members: impl Iterator<Item = String>) -> Self {
        let record = Record {
            volume: super::VOLUME.into(),
            epoch: Epoch(0),
            generation: Generation(1),
            members: members.collect(),
            clean: true,
            ..Record::default()
        };
        Self { state: Arc::new(Mutex::new((record, Mood::Answers))), asked: Arc::new(watch::Sender::new(0)) }
    }

    fn lock(&self) -> MutexGuard<'_, (Record, Mood)> {
        self.state.lock().unwrap()
    }

    pub fn record(&self) -> Record {
        self.lock().0.clone()
    }

    pub fn set_mood(&self, mood: Mood) {
        self.lock().1 = mood;
    }

    /// The last engine went without a word.
    pub fn set_unclean(&self) {
        self.lock().0.clean = false;
    }

    /// Resolves when a change is asked for.
    pub async fn next_change(&self) {
        let mut asked = self.asked.subscribe();
        tokio::time::timeout(super::PATIENCE, asked.changed()).await.expect("a change is asked for").unwrap();
    }

    pub fn raise_epoch(&self) -> Epoch {
        let mut state = self.lock();
        state.0.epoch.0 += 1;
        state.0.epoch
    }

    fn change(&self, epoch: Epoch, generation: Generation, next: &Record) -> Result<(), KeeperError> {
        let mut state = self.lock();
        let unreachable = || KeeperError::Unavailable("the test says so".into());
        if state.1 == Mood::Unreachable {
            return Err(unreachable());
        }
        let now = &state.0;
        assert!(!next.members.is_empty(), "a record without members");
        if (now.epoch, now.generation) != (epoch, generation) {
            if now == next {
                return Ok(());
            }
            return Err(KeeperError::Conflict {
                volume: now.volume.clone(),
                found: now.epoch,
                generation: now.generation,
            });
        }
        state.0 = next.clone();
        if state.1 == Mood::LosesAnswers { Err(unreachable()) } else { Ok(()) }
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeeperError>> + Send + 'a>>;

impl Keeper for TestKeeper {
    fn get<'a>(&'a self, _: &'a str) -> Answer<'a, Record> {
        Box::pin(async move {
            let state = self.lock();
            match state.1 {
                Mood::Answers => Ok(state.0.clone()),
                _ => Err(KeeperError::Unavailable("the test says so".into())),
            }
        })
    }

    fn compare_and_set<'a>(&'a self, epoch: Epoch, generation: Generation, next: &'a Record) -> Answer<'a, ()> {
        Box::pin(async move {
            let changed = self.change(epoch, generation, next);
            self.asked.send_modify(|count| *count += 1);
            changed
        })
    }
}
