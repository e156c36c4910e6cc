//! What is fetched when: blocks that somebody waits for at once, the others in order, under the lock of the store.
//!
//! It runs on threads of its own, since it hashes and waits for the target ([`super::super::transfer`]). One at a time:
//! whoever brings other credentials ends it and starts the next.
//!
//! A block that somebody waits for is fetched without the lock too: its checksum tells whether it is the right one, and
//! a deletion that came first has taken it away or not. What is fetched ahead keeps deletions out as long as it goes on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::Shared;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::super::Volume;
use super::super::barrier::OperationError;
use super::super::exclusive_work::WorkGuard;
use super::super::restore::RestoreRequest;
use super::super::transfer::{self, Crossing, Ended, EngineEnded};
use super::map::Map;
use super::{InstantRestore, commit, place};
use crate::backup::BackupError;
use crate::backup::lazy::{RemoteBackup, Urgency};

/// Blocks on their way at once; of those that nobody waits for.
const PARALLEL: usize = 8;
const PARALLEL_AHEAD: usize = 4;
/// Pauses after a failure of the target, twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// What is there leaves the map after so many blocks, or so much time, where no request needs it earlier.
const COMMIT_BLOCKS: usize = 32;
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// When blocks that could not be fetched are tried again without being asked for.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// While a replica joins, the last step waits.
const COMPLETE_AGAIN: Duration = Duration::from_secs(1);

/// Why it can't go on for now.
enum Broke {
    /// Nobody is there any more for whom.
    Engine,
    Backup(BackupError),
    Other(String),
}

impl From<EngineEnded> for Broke {
    fn from(_: EngineEnded) -> Self {
        Self::Engine
    }
}

impl From<BackupError> for Broke {
    fn from(error: BackupError) -> Self {
        Self::Backup(error)
    }
}

impl From<OperationError> for Broke {
    fn from(error: OperationError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<Broke> for Ended {
    fn from(broke: Broke) -> Self {
        match broke {
            Broke::Engine => EngineEnded.into(),
            Broke::Backup(error) => error.into(),
            Broke::Other(why) => Self::failed(why),
        }
    }
}

/// Starts the worker in the place of the one before. `begins`: the volume is empty, and has no map yet.
pub(super) fn start(volume: &Volume, request: RestoreRequest, options: InstantRestore, begins: Option<WorkGuard>) {
    let mut mine = 0;
    volume.shared.lazy.turn.send_modify(|turn| {
        *turn += 1;
        mine = *turn;
    });
    let volume = volume.clone();
    tokio::spawn(async move {
        let lazy = &volume.shared.lazy;
        let _only = lazy.working.lock().await;
        if *lazy.turn.borrow() != mine {
            return;
        }
        lazy.with(|remote| remote.options = options);
        let (_alive, engine) = oneshot::channel::<()>();
        let crossing = Crossing::from_here(u32::try_from(PARALLEL).unwrap_or(u32::MAX));
        let worker = Arc::new(Worker {
            volume: volume.clone(),
            request,
            options,
            crossing: crossing.clone(),
            begins: Mutex::new(begins),
        });
        let engine = engine.shared();
        loop {
            let run = Arc::clone(&worker).run(mine, lazy.turn.subscribe(), engine.clone());
            let outcome = transfer::finished("instant-restore", run).await;
            // Nothing of it lands behind the back of the next one.
            crossing.drained().await;
            lazy.with(|remote| remote.blocks.nothing_in_flight());
            match outcome {
                Ok(()) if complete(&volume, mine).await => {}
                // A request that had overwritten a block has failed: it is fetched after all.
                Ok(()) if *lazy.turn.borrow() == mine => continue,
                Ok(()) => {}
                // One that goes on goes on with another worker, or another engine.
                Err(Ended::Cancelled) if lazy.is_active() => {}
                Err(ended) => {
                    tracing::warn!(volume = volume.name(), error = ended.words().0, "the instant restore stopped");
                    lazy.stopped(&ended);
                }
            }
            break;
        }
        volume.shared.changed.tell();
    });
}

/// Every block was there: the last step, until it succeeds, one is remote again, or somebody else takes over.
async fn complete(volume: &Volume, mine: u64) -> bool {
    let lazy = &volume.shared.lazy;
    let mut turn = lazy.turn.subscribe();
    while let Err(error) = volume.complete_instantly().await {
        if lazy.with(|remote| remote.blocks.has_remote()).unwrap_or(false) {
            return false;
        }
        lazy.waits_for(&error.to_string(), "");
        volume.shared.changed.tell();
        tokio::select! {
            () = sleep(COMPLETE_AGAIN) => {}
            _ = turn.wait_for(|turn| *turn != mine) => return false,
        }
    }
    true
}

struct Worker {
    volume: Volume,
    request: RestoreRequest,
    options: InstantRestore,
    crossing: Crossing,
    /// The right to begin.
    begins: Mutex<Option<WorkGuard>>,
}

impl Worker {
    /// Until every block is there, another worker takes over or the engine ends.
    async fn run(
        self: Arc<Self>,
        mine: u64,
        mut turn: watch::Receiver<u64>,
        engine: Shared<oneshot::Receiver<()>>,
    ) -> Result<(), Ended> {
        tokio::select! {
            outcome = self.work() => outcome,
            _ = turn.wait_for(|turn| *turn != mine) => Err(Ended::Cancelled),
            _ = engine => Err(EngineEnded.into()),
        }
    }

    async fn work(&self) -> Result<(), Ended> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.attend().await {
                Ok(()) => return Ok(()),
                Err(broke) if matches!(broke, Broke::Engine) || !self.volume.shared.lazy.is_active() => {
                    return Err(broke.into());
                }
                Err(broke) => self.tell_of(broke),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn tell_of(&self, broke: Broke) {
        let (why, next_step) = Ended::from(broke).words();
        tracing::warn!(volume = self.volume.name(), error = why, "an instant restore can't go on for now");
        self.volume.shared.lazy.waits_for(&why, &next_step);
        self.volume.shared.changed.tell();
    }

    async fn open(&self) -> Result<RemoteBackup, Broke> {
        let RestoreRequest { target, name, .. } = &self.request;
        Ok(RemoteBackup::open(target, &name.volume, &name.backup).await?)
    }

    async fn attend(&self) -> Result<(), Broke> {
        let backup = self.open().await?;
        if let Some(wanted) = self.volume.shared.lazy.with(|remote| remote.map.identity.clone())
            && backup.identity() != wanted
        {
            let name = &self.request.name;
            let why = format!(
                "backup {} of {:?} in the target is another one than the one this volume is being restored from; what is \
                 not here yet can only come from that",
                name.backup, name.volume
            );
            return Err(Broke::Other(why));
        }
        let (state, locked) = watch::channel(false);
        tokio::select! {
            outcome = self.serve(&backup, locked) => outcome,
            broke = self.keep_lock(&backup, state) => Err(broke),
        }
    }

    /// Holds the store's lock, and gets it anew when it was lost. Returns where that fails before the volume may be used.
    async fn keep_lock(&self, backup: &RemoteBackup, state: watch::Sender<bool>) -> Broke {
        let mut pause = FIRST_PAUSE;
        loop {
            let held = backup.locked::<()>(self.request.lock_times, async {
                state.send_replace(true);
                std::future::pending().await
            });
            let Err(error) = held.await else { continue };
            state.send_replace(false);
            if !self.volume.shared.lazy.is_active() {
                return error.into();
            }
            self.tell_of(error.into());
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn serve(&self, backup: &RemoteBackup, mut locked: watch::Receiver<bool>) -> Result<(), Broke> {
        if !self.volume.shared.lazy.is_active() {
            let _ = locked.wait_for(|locked| *locked).await;
            // A deletion may have come before the lock.
            let now = self.open().await?;
            if now.identity() != backup.identity() {
                return Err(Broke::Other("the backup changed while the restore began; begin it again".to_owned()));
            }
            self.begin(backup).await?;
        }
        self.pump(backup, locked).await
    }

    async fn begin(&self, backup: &RemoteBackup) -> Result<(), Broke> {
        let name = &self.request.name;
        let map = Map::whole(self.request.target.url.as_str(), &name.volume, &name.backup, backup);
        let (volume, options, size) = (self.volume.clone(), self.options, backup.size());
        let guard = self.begins.lock().unwrap_or_else(PoisonError::into_inner).take();
        let begun = self.crossing.run(async move {
            let begun = volume.begin_instantly(map, options, size).await;
            drop(guard);
            begun
        });
        Ok(begun.await??)
    }

    /// Until every block is there.
    async fn pump(&self, backup: &RemoteBackup, locked: watch::Receiver<bool>) -> Result<(), Broke> {
        let lazy = &self.volume.shared.lazy;
        let mut flying = FuturesUnordered::new();
        let (mut ahead, mut pause, mut not_before) = (0, FIRST_PAUSE, Instant::now());
        let (mut committed, mut tried) = (Instant::now(), Instant::now());
        let mut locked = locked;
        loop {
            while flying.len() < PARALLEL && Instant::now() >= not_before {
                let may_go_ahead = !self.options.on_demand_only && *locked.borrow() && ahead < PARALLEL_AHEAD;
                let next = lazy.with(|remote| remote.blocks.take_next(may_go_ahead)).flatten();
                let Some((block, urgency)) = next else { break };
                ahead += usize::from(urgency == Urgency::Ahead);
                flying.push(async move { (block, urgency, self.bring(backup, block, urgency).await) });
            }
            let is_idle = flying.is_empty();
            if is_idle && !lazy.with(|remote| remote.blocks.has_remote()).unwrap_or(false) {
                return Ok(());
            }
            tokio::select! {
                Some((block, urgency, outcome)) = flying.next(), if !is_idle => {
                    ahead -= usize::from(urgency == Urgency::Ahead);
                    match outcome {
                        Ok(()) => {
                            lazy.with(|remote| remote.blocks.ended(block, urgency, Ok(())));
                            lazy.goes_on();
                            pause = FIRST_PAUSE;
                        }
                        Err(Broke::Engine) => return Err(Broke::Engine),
                        Err(broke) => {
                            let is_transient = !matches!(&broke, Broke::Backup(error) if !error.is_transient());
                            if is_transient {
                                not_before = Instant::now() + pause;
                                pause = (pause * 2).min(LONGEST_PAUSE);
                            }
                            let why = Ended::from(broke);
                            let (text, next_step) = why.words();
                            lazy.with(|remote| remote.blocks.ended(block, urgency, Err((text.clone(), is_transient))));
                            lazy.waits_for(&text, &next_step);
                            lazy.tell();
                        }
                    }
                    self.volume.shared.changed.tell();
                    // What is sent for is counted from the last commit.
                    let count = lazy.with(|remote| remote.blocks.uncommitted().len()).unwrap_or_default();
                    if count >= COMMIT_BLOCKS || committed.elapsed() >= COMMIT_INTERVAL {
                        self.commit().await?;
                        committed = Instant::now();
                    }
                }
                () = lazy.wanted.notified() => {}
                Ok(()) = locked.changed() => {}
                () = sleep_until(not_before), if Instant::now() < not_before => {}
                () = sleep(COMMIT_INTERVAL) => {
                    self.commit().await?;
                    committed = Instant::now();
                }
            }
            if tried.elapsed() >= TRY_AGAIN {
                tried = Instant::now();
                lazy.with(|remote| remote.blocks.forget_failures());
            }
        }
    }

    /// A commit that fails is told; what is in the map stays there.
    async fn commit(&self) -> Result<(), Broke> {
        let shared = Arc::clone(&self.volume.shared);
        if let Err(error) = self.crossing.run(async move { commit::commit(&shared).await }).await? {
            self.tell_of(Broke::Other(error.message));
        }
        Ok(())
    }

    async fn bring(&self, backup: &RemoteBackup, block: usize, urgency: Urgency) -> Result<(), Broke> {
        let Some(span) = self.volume.shared.lazy.with(|remote| remote.blocks.span(block)) else { return Ok(()) };
        let fetched = backup.fetch(span.start, urgency).await?;
        let length = usize::try_from(span.end - span.start).unwrap_or(usize::MAX);
        let parts = match &fetched {
            Some(fetched) => place::parts(&fetched.content[..length.min(fetched.content.len())]),
            // The identity rules it out; what the backup does not name is zeros.
            None => Vec::new(),
        };
        let shared = Arc::clone(&self.volume.shared);
        let placed = self.crossing.run(async move { place::place(&shared, block, parts).await }).await?;
        drop(fetched);
        placed.map_err(|error| Broke::Other(error.message))
    }
}
