//! Restoring a backup into the running volume, which nobody uses meanwhile.
//!
//! ```text
//!   empty ─────────marker──► being restored ──flush, labelled snapshot──► is backup A
//!                              ▲   │  ▲ └─┘ broke off: what is there       │
//!                              │   │  └──── is compared, the rest fetched  │
//!                              │   └─ another backup is wanted: back to A  │
//!                              └──────────── marker ◄──────────────────────┘ backup B is wanted
//! ```
//!
//! 1. The volume's snapshots tell what it holds ([`marks`]), and that what has to be done ([`plan`]).
//! 2. It grows where the backup volume did since; a marker above what it holds says what is on its way ([`steps`]).
//! 3. Blocks are fetched and verified on threads of their own ([`super::transfer`]), and written through the volume's own
//!    write path to all members ([`sink`]). One that fails is dropped as with any write.
//! 4. **All members flush; then a labelled snapshot is taken**: the volume is the backup.
//! 5. The older snapshots and the marker are removed, and a purge gives their space back.
//!
//! Invariants: the head, above a marker, holds only what belongs to the backup that the marker names; no labelled snapshot is taken
//! before every block was verified, is on all members and flushed there; no replica joins, no snapshot is taken or
//! removed, and no frontend comes up in between. A crash anywhere leaves the volume as the old backup, as the new one,
//! or with the marker on top, from where the same restore goes on and another one starts over.

pub(crate) mod marks;
mod plan;
pub(crate) mod shown;
mod sink;
mod steps;

use std::sync::Arc;

use super::barrier::OperationError;
use super::exclusive_work::{Work, WorkGuard};
use super::lazy::InstantRestore;
use super::purge::IfPurging;
use super::transfer::{self, Ended};
use super::{Shared, Volume};
use crate::backup::backup_record::BackupRecord;
use crate::backup::lock::LockTimes;
use crate::backup::restore::restore_with;
use crate::backup::volume_record::VolumeRecord;
use crate::backup::{self, BackupError, Held, Progress, Store, Target};
use crate::crash_point;
use marks::{BackupName, Marks};
use plan::Plan;
use shown::Running;
use sink::VolumeSink;

/// What is restored, and from where. `Debug` shows no credentials.
#[derive(Clone, Debug)]
pub struct RestoreRequest {
    pub target: Target,
    pub(crate) name: BackupName,
    /// 0 for the default.
    pub concurrency: usize,
    /// Longhorn's, outside tests.
    pub lock_times: LockTimes,
    /// The volume may be used before its blocks are there ([`super::lazy`]).
    pub instant: Option<InstantRestore>,
}

impl RestoreRequest {
    /// Backup `backup` of the backup volume `volume`.
    #[must_use]
    pub fn new(target: Target, volume: &str, backup: &str) -> Self {
        // Its time is known when its record is read.
        let name = BackupName { volume: volume.to_owned(), backup: backup.to_owned(), created: String::new() };
        Self { target, name, concurrency: 0, lock_times: LockTimes::default(), instant: None }
    }
}

impl Volume {
    /// Begins to restore in the background; the status tells how it goes. No frontend is up (the caller has made sure of
    /// that).
    ///
    /// # Errors
    /// [`OperationError::Refused`] where the volume holds other data, or while other work on the whole volume runs. What
    /// is wrong with the target or the backup is in the status later.
    pub async fn restore(&self, request: RestoreRequest) -> Result<(), OperationError> {
        if let Some(options) = request.instant {
            return self.restore_instantly(request, options).await;
        }
        self.shared.refuse_while_remote("restore into it")?;
        let guard = self.shared.work.begin(Work::Restore)?;
        // Once more later, under a barrier; this tells whoever asks at once.
        self.look_at_layers().await;
        Plan::of(Marks::of(&self.shared.layers.get()), &request.name, &self.shared.name)?;
        self.shared.lazy.forget_shown();
        let running = self.shared.restores.begin(&request);
        transfer::tell_of(&self.shared, &running.progress);
        crash_point::reached("restore.begun");
        let volume = self.clone();
        tokio::spawn(async move {
            let name = request.name.clone();
            let outcome = volume.run_restore(request, &running).await;
            match &outcome {
                Ok(snapshot) => tracing::info!(backup = name.backup, from = name.volume, snapshot, "restored"),
                Err(ended) => {
                    tracing::warn!(backup = name.backup, from = name.volume, error = ended.words().0, "not restored");
                }
            }
            volume.tidy(outcome.is_ok(), guard).await;
            running.end(&outcome);
            drop(running);
            volume.shared.changed.tell();
        });
        self.shared.changed.tell();
        Ok(())
    }

    /// Gives up a running restore; returns when it has ended. What is there stays for the next one.
    pub async fn cancel_restore(&self) {
        self.shared.lazy.cancel_beginning().await;
        self.shared.restores.end().await;
    }

    /// The backup that is on its way into this volume, if a restore has begun and is not complete.
    #[must_use]
    pub fn unfinished_restore(&self) -> Option<String> {
        Marks::of(&self.shared.layers.get()).restoring.map(|marker| marker.of.backup)
    }

    async fn run_restore(&self, request: RestoreRequest, running: &Running) -> Result<String, Ended> {
        let sink = Arc::new(VolumeSink::new(self));
        let crossing = sink.crossing().clone();
        let fetch = Fetch {
            volume: self.clone(),
            request: request.clone(),
            sink,
            progress: running.progress.clone(),
            told: running.teller(),
        };
        let mut cancelled = running.cancelled.clone();
        let fetched = transfer::finished("restore", async move {
            tokio::select! {
                fetched = fetch.all() => fetched,
                _ = cancelled.wait_for(|cancelled| *cancelled) => Err(Ended::Cancelled),
            }
        });
        let fetched = fetched.await;
        // Nothing of this restore lands behind the back of the next one.
        crossing.drained().await;
        match fetched? {
            Fetched::Blocks(restored) => Ok(self.complete(&restored).await?),
            Fetched::Nothing => {
                let held = Marks::of(&self.shared.layers.get()).restored;
                Ok(held.map(|mark| mark.snapshot).unwrap_or_default())
            }
        }
    }

    /// Gives back what the restores before have left. The volume is right without that, so a failure is only told.
    async fn tidy(&self, is_complete: bool, guard: WorkGuard) {
        let dropped = if is_complete { self.drop_older().await } else { Ok(false) };
        drop(guard);
        let purged = match dropped {
            Ok(true) => self.purge(IfPurging::Skip).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = purged {
            tracing::warn!(volume = self.name(), %error, "the space of older restores is not given back yet");
        }
    }
}

enum Fetched {
    /// Every block of this backup, verified, on all members.
    Blocks(BackupName),
    /// The volume was that backup before.
    Nothing,
}

/// What runs on the restore's own threads.
struct Fetch {
    volume: Volume,
    request: RestoreRequest,
    sink: Arc<VolumeSink>,
    progress: Progress,
    told: shown::Teller,
}

impl Fetch {
    async fn all(self) -> Result<Fetched, Ended> {
        let RestoreRequest { target, mut name, concurrency, lock_times, .. } = self.request;
        let store = Store::open(&target).await.map_err(BackupError::from)?;
        // Before anything is touched: whether there is such a backup, and how large it becomes.
        let (size, created) = backup_facts(&store, &name).await?;
        // From here on this very backup is meant, and no other one that gets its name.
        name.created = created;
        self.told.wants(&name.created);
        let (volume, wanted) = (self.volume.clone(), name.clone());
        let ready = self.sink.crossing().run(async move { volume.make_ready(&wanted, size).await }).await??;
        let Some(ready) = ready else { return Ok(Fetched::Nothing) };
        let size = self.volume.shared.size();
        let previous = ready.previous.map(|held| Held { backup: held.backup, created: held.created, size });
        self.told.is(previous.as_ref().map_or("", |held| &held.backup), ready.resumed);
        if let Some(snapshot) = ready.image_alone {
            self.sink.stands_on_image(snapshot);
        }
        let request = backup::RestoreRequest {
            volume: name.volume.clone(),
            backup: name.backup.clone(),
            created: name.created.clone(),
            previous,
            sink_is_empty: ready.is_empty,
            concurrency,
        };
        restore_with(&store, &request, self.sink.as_ref(), &self.progress, lock_times).await?;
        Ok(Fetched::Blocks(name))
    }
}

impl Shared {
    /// What the layers say, for the status: the backup held, and the one on its way.
    pub(crate) fn marks(&self) -> Marks {
        Marks::of(&self.layers.get())
    }
}

/// Bytes that a restore of this backup takes, which is there and complete, and when it was complete.
async fn backup_facts(store: &Store, name: &BackupName) -> Result<(u64, String), BackupError> {
    let volume = VolumeRecord::load(store, &name.volume).await?;
    let record = BackupRecord::load_complete(store, &name.volume, &name.backup).await?;
    Ok((volume.size, record.created_time))
}
