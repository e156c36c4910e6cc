//! Locks on a volume of a backup store, as Longhorn has them (formats.md §13), so that both may use one target.
//!
//! ```text
//!   write {Acquired:false} ─► wait 2 s ─► list ─┬─ another type before mine ─────────────────► remove ─► Locked
//!                                               └─ else write {Acquired:true} ─► list again ─┬─ one is had ─┘
//!                                                                                            └─ rewrite every 60 s …
//! ```
//! The second list is ours, not Longhorn's. Times of files tell who comes first only while writes are shorter than the
//! wait: the store gives a file the time when its write began, and shows it when it ended, so that one of two may have
//! looked before the other's file was to be seen. But of two locks that are *had*, the file of one is there first, and
//! whoever comes second sees it after its own. Both may see both; then nobody has it, and both try again.
//!
//! A lock says that blocks will be added or are being read (backup, restore), or that some may be removed (deletion).
//! Locks of one type go together. One whose file was not rewritten for 150 s is of a dead owner and does not count.
//!
//! Invariant: **nobody clears blocks away while somebody else relies on them.** It needs more than locks, which only
//! hold as long as their owners get to the store in time: [`Lock::guard`] ends the work of an owner who did not, and
//! deletion looks for unfinished backups too. Test: `tests/backups/locks.rs`.
//!
//! Ages are counted from the server's time of our own lock file, which has just been written, and not from this
//! machine's clock: where that one is wrong, locks of others would seem dead, or ours immortal.

use std::future::Future;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::store::{Entry, Store};
use super::{BackupError, json, layout, names, store_access};

/// A lock has a name, a number and a word.
const LOCK_BYTES_MAXIMUM: u64 = 64 << 10;

/// Longhorn's times. Tests have shorter ones; whoever shares a target must agree on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockTimes {
    /// Between writing a lock and looking whether it may be had: others write theirs meanwhile.
    pub wait: Duration,
    /// Between two renewals.
    pub renew: Duration,
    /// From the last renewal to when others take the owner for dead.
    pub lifetime: Duration,
}

impl Default for LockTimes {
    fn default() -> Self {
        Self { wait: Duration::from_secs(2), renew: Duration::from_secs(60), lifetime: Duration::from_secs(150) }
    }
}

/// How long [`Lock::release`] waits for the file to go. Where that takes longer, the end of what it was for does not.
const RELEASE_PATIENCE: Duration = Duration::from_secs(30);

/// What a lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Backups and restores.
    Use,
    Deletion,
}

impl LockKind {
    fn number(self) -> u8 {
        match self {
            Self::Use => 1,
            Self::Deletion => 2,
        }
    }
}

/// A lock's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LockFile {
    name: String,
    r#type: u8,
    acquired: bool,
}

/// Somebody's lock, as a listing and its file tell it.
struct Other {
    file: LockFile,
    modified: OffsetDateTime,
}

/// A lock that is held. It goes when this is dropped; [`Lock::release`] also waits for that.
#[derive(Debug)]
pub(super) struct Lock {
    volume: String,
    /// The file's, without its ending.
    name: String,
    times: LockTimes,
    /// The keeper removes the file when this goes.
    stop: Option<oneshot::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
    /// Why it was lost.
    lost: watch::Receiver<Option<String>>,
}

/// A lock that is not had yet.
struct Wish {
    store: Store,
    path: String,
    mine: LockFile,
    /// When it was written first; by this machine's clock, and by the server's once that is known.
    written: Instant,
    since: Option<OffsetDateTime>,
    /// What the keeper writes.
    state: watch::Sender<LockFile>,
}

/// Keepers at work in this process.
static KEEPERS: LazyLock<watch::Sender<usize>> = LazyLock::new(watch::Sender::default);

/// One of [`KEEPERS`], as long as it lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        KEEPERS.send_modify(|keepers| *keepers += 1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        KEEPERS.send_modify(|keepers| *keepers -= 1);
    }
}

/// Returns when no lock of this process is left in any target: for a process that is about to end, after it dropped
/// what it was doing. A target that does not answer is waited for as long as its own limits say; bound it.
pub async fn all_released() {
    // The sender is never dropped.
    let _ = KEEPERS.subscribe().wait_for(|keepers| *keepers == 0).await;
}

/// Where the keeper writes what.
struct Keeper {
    store: Store,
    path: String,
    /// Written again and again. Changes once, when the lock is had.
    file: watch::Receiver<LockFile>,
    times: LockTimes,
    lost: watch::Sender<Option<String>>,
    _counted: Counted,
}

impl Lock {
    /// Takes a lock of a volume, whose name is valid. Tries once.
    pub(super) async fn acquire(
        store: &Store,
        volume: &str,
        kind: LockKind,
        times: LockTimes,
    ) -> Result<Self, BackupError> {
        // From here on the file goes, whatever becomes of this call.
        let (lock, wish) = Self::wish(store, volume, kind, times);
        let outcome = async { lock.claim(lock.announce(wish).await?).await };
        if let Err(error) = outcome.await {
            lock.release().await;
            return Err(error);
        }
        Ok(lock)
    }

    /// A lock that is not written yet.
    fn wish(store: &Store, volume: &str, kind: LockKind, times: LockTimes) -> (Self, Wish) {
        let file =
            LockFile { name: format!("lock-{:016x}", rand::random::<u64>()), r#type: kind.number(), acquired: false };
        let path = layout::lock(volume, &file.name);
        let (state, seen) = watch::channel(file.clone());
        let (lost, lost_seen) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let keeper =
            Keeper { store: store.clone(), path: path.clone(), file: seen, times, lost, _counted: Counted::new() };
        let lock = Self {
            volume: volume.to_owned(),
            name: file.name.clone(),
            times,
            stop: Some(stop),
            keeper: Some(tokio::spawn(keeper.run(stopped))),
            lost: lost_seen,
        };
        (lock, Wish { store: store.clone(), path, mine: file, written: Instant::now(), since: None, state })
    }

    /// Writes it, and looks whether it may be had when others have had the time to write theirs.
    async fn announce(&self, mut wish: Wish) -> Result<Wish, BackupError> {
        wish.written = Instant::now();
        write(&wish.store, &wish.path, &wish.mine).await?;
        tokio::time::sleep(self.times.wait).await;
        wish.since = Some(self.check_others(&wish).await?);
        Ok(wish)
    }

    /// Takes it, and looks whether anybody else did.
    async fn claim(&self, mut wish: Wish) -> Result<(), BackupError> {
        wish.mine.acquired = true;
        // First: a renewal at this moment does not write that it is not had.
        wish.state.send_replace(wish.mine.clone());
        write(&wish.store, &wish.path, &wish.mine).await?;
        self.check_others(&wish).await?;
        if wish.written.elapsed() >= self.times.lifetime {
            return Err(self.lost_because("getting it took longer than it lives"));
        }
        Ok(())
    }

    /// Fails where a lock of another type comes before this one. Any that is had does. Tells when this one was written
    /// first, by the server's clock.
    async fn check_others(&self, wish: &Wish) -> Result<OffsetDateTime, BackupError> {
        let mine = &wish.mine;
        let (own, others) = read_all(&wish.store, &self.volume, &mine.name).await?;
        let first = wish.since.or(own);
        let now = first.map_or_else(OffsetDateTime::now_utc, |modified| modified + wish.written.elapsed());
        let since = first.unwrap_or(now);
        let comes_before =
            |other: &Other| other.file.acquired || (other.modified, &other.file.name) < (since, &mine.name);
        let conflict = others
            .iter()
            .filter(|other| other.file.r#type != mine.r#type && now - other.modified < self.times.lifetime)
            .find(|other| comes_before(other));
        let Some(other) = conflict else { return Ok(since) };
        let what = match other.file.r#type {
            1 => "a backup or restore",
            2 => "a deletion",
            _ => "another operation",
        };
        Err(BackupError::Locked {
            volume: self.volume.clone(),
            holder: format!("{what} ({})", other.file.name),
            lifetime_seconds: self.times.lifetime.as_secs(),
        })
    }

    /// Does `work`, and ends it where the lock is lost meanwhile.
    pub(super) async fn guard<T>(&self, work: impl Future<Output = Result<T, BackupError>>) -> Result<T, BackupError> {
        let mut lost = self.lost.clone();
        tokio::select! {
            outcome = work => outcome,
            why = lost.wait_for(Option::is_some) => {
                let why = why.ok().and_then(|why| why.clone()).unwrap_or_else(|| "its keeper ended".to_owned());
                Err(self.lost_because(&why))
            }
        }
    }

    fn lost_because(&self, why: &str) -> BackupError {
        BackupError::LockLost { volume: self.volume.clone(), why: why.to_owned() }
    }

    /// Removes what is left of holders that died: locks that were dead before this one was renewed last.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn clear_dead(&self, store: &Store) -> Result<(), BackupError> {
        let files = store.list(&layout::locks(&self.volume)).await?.files;
        let own = files.iter().find(|entry| entry.name.strip_suffix(".lck") == Some(self.name.as_str()));
        let Some(own) = own.map(|entry| entry.modified) else { return Ok(()) };
        for entry in files.iter().filter(|entry| entry.modified + self.times.lifetime < own) {
            store.remove(&format!("{}/{}", layout::locks(&self.volume), entry.name)).await?;
        }
        Ok(())
    }

    /// Lets go of it, and returns when its file is gone, cannot be removed, or the target takes long for that.
    pub(super) async fn release(self) {
        self.release_within(RELEASE_PATIENCE).await;
    }

    async fn release_within(mut self, patience: Duration) {
        self.stop = None;
        if let Some(keeper) = self.keeper.take() {
            // A panic there leaves a file that grows old, and so does a process that ends before the keeper.
            let _ = tokio::time::timeout(patience, keeper).await;
        }
    }
}

impl Keeper {
    /// Renews until it is stopped; then, and only then, removes the file: no renewal comes after that.
    async fn run(self, mut stopped: oneshot::Receiver<()>) {
        let mut renewed = Instant::now();
        let mut pause = self.times.renew;
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                () = tokio::time::sleep(pause) => {}
            }
            let file = self.file.borrow().clone();
            let begun = Instant::now();
            // A renewal that hangs is as bad as one that fails: what counts is when others may take it for dead. Work
            // ends a little before that, so that nothing of it arrives afterwards.
            let usable = self.times.lifetime / 5 * 4;
            let left = usable.saturating_sub(renewed.elapsed());
            let outcome = tokio::time::timeout(left, write(&self.store, &self.path, &file)).await;
            match outcome {
                // Nobody may have looked while it seemed dead. But somebody may.
                _ if renewed.elapsed() >= usable => self.tell_lost(match outcome {
                    Ok(Err(error)) => error.to_string(),
                    _ => format!("{} did not take it before others may take it for dead", self.store.url().as_str()),
                }),
                Ok(Ok(())) => (renewed, pause) = (begun, self.times.renew),
                Ok(Err(_)) | Err(_) => pause = self.times.renew / 12,
            }
        }
        if let Err(error) = self.store.remove(&self.path).await {
            tracing::warn!(path = self.path, %error, "a lock in the backup target could not be removed; it grows old");
        }
    }

    fn tell_lost(&self, why: String) {
        self.lost.send_if_modified(|lost| {
            let first = lost.is_none();
            lost.get_or_insert(why);
            first
        });
    }
}

async fn write(store: &Store, path: &str, file: &LockFile) -> Result<(), BackupError> {
    Ok(store.write(path, json::encode("writing a lock", file)?.into()).await?)
}

/// The time of the lock `own` by the server's clock, and all other locks of the volume.
async fn read_all(store: &Store, volume: &str, own: &str) -> Result<(Option<OffsetDateTime>, Vec<Other>), BackupError> {
    let files = store.list(&layout::locks(volume)).await?.files;
    let named = |entry: &Entry| entry.name.strip_suffix(".lck").filter(|name| names::is_valid(name)).map(str::to_owned);
    let own_time = files.iter().find(|entry| named(entry).as_deref() == Some(own)).map(|entry| entry.modified);
    let others = files.iter().filter_map(|entry| Some((named(entry)?, entry.modified))).filter(|(name, _)| name != own);
    let read = stream::iter(others.collect::<Vec<_>>()).map(|(name, modified)| async move {
        let path = layout::lock(volume, &name);
        // A lock that cannot be read may be any. It does not stay for long.
        let unknown = || LockFile { name: name.clone(), r#type: 0, acquired: true };
        let file = match store_access::read_small(store, &path, LOCK_BYTES_MAXIMUM).await {
            Ok(None) => return Ok(None),
            Ok(Some(text)) => json::decode(&path, &text).unwrap_or_else(|_| unknown()),
            Err(BackupError::Damaged { .. }) => unknown(),
            Err(error) => return Err(error),
        };
        Ok::<_, BackupError>(Some(Other { file, modified }))
    });
    let others: Vec<Option<Other>> = read.buffer_unordered(8).boxed().try_collect().await?;
    Ok((own_time, others.into_iter().flatten().collect()))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;
    use crate::backup::{Credentials, Target};

    const TIMES: LockTimes =
        LockTimes { wait: Duration::ZERO, renew: Duration::from_secs(60), lifetime: Duration::from_secs(150) };

    /// The store took long to show the deletion's file, and then gives it the time when its write began. So the backup has
    /// looked without seeing it, and the deletion finds that it came first: both may go on.
    #[tokio::test]
    async fn of_two_that_both_saw_nobody_before_them_not_both_have_their_lock() {
        for backup_claims_first in [true, false] {
            let place = tempfile::tempdir().unwrap();
            let url = format!("vfs://{}", place.path().display()).parse().unwrap();
            let store = Store::open(&Target { url, credentials: Credentials::default() }).await.unwrap();
            let (backup, wish) = Lock::wish(&store, "vol", LockKind::Use, TIMES);
            let backup_wish = backup.announce(wish).await.unwrap();
            let (deletion, wish) = Lock::wish(&store, "vol", LockKind::Deletion, TIMES);
            write(&store, &wish.path, &wish.mine).await.unwrap();
            let begun = SystemTime::now() - Duration::from_secs(5);
            File::options().write(true).open(place.path().join(&wish.path)).unwrap().set_modified(begun).unwrap();
            let since = deletion.check_others(&wish).await.unwrap();
            let deletion_wish = Wish { since: Some(since), ..wish };
            let had = if backup_claims_first {
                let first = backup.claim(backup_wish).await;
                [first.is_ok(), deletion.claim(deletion_wish).await.is_ok()]
            } else {
                let first = deletion.claim(deletion_wish).await;
                [backup.claim(backup_wish).await.is_ok(), first.is_ok()]
            };
            assert_ne!(had, [true, true], "the backup claims first: {backup_claims_first}");
            backup.release().await;
            deletion.release().await;
        }
    }

    /// Its file is not removed in time: the end of a restore does not wait for that.
    #[tokio::test]
    async fn a_target_that_does_not_let_go_of_a_lock_holds_up_nobody() {
        let lock = Lock {
            volume: "vol".to_owned(),
            name: "lock-1".to_owned(),
            times: TIMES,
            stop: None,
            keeper: Some(tokio::spawn(std::future::pending())),
            lost: watch::channel(None).1,
        };
        let released = lock.release_within(Duration::from_millis(10));
        tokio::time::timeout(RELEASE_PATIENCE, released).await.unwrap();
    }
}
