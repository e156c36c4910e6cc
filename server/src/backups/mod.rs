//! Backup stores, as the manager speaks to them.
//!
//! 1. [`credentials`] — what targets ask for, in a file that nobody else reads;
//! 2. [`remote`] — lists, reads and deletes in a target: the one place that calls the library of the backup store;
//! 3. [`fault`] — what goes wrong there, with what a person can do;
//! 4. [`verify`] — whether a backup could be restored;
//! 5. [`names`] — names of resources of what is found; [`labels`] — labels that a backup may have; [`needed`] — which may not go yet.
//!
//! The data itself never passes here but to be verified: engines send and fetch it. What the resources show is the business of
//! [`crate::controllers::backup_target`] and [`crate::controllers::backup`].

pub mod credentials;
pub mod fault;
pub mod labels;
pub mod names;
pub mod needed;
pub mod remote;
pub(crate) mod verify;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aurochs_engine::backup::{Credentials as Known, Settings, Store, Target, TargetUrl};
use rand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::resources::backup_target::BackupTargetSpec;
use credentials::Credentials;
pub use fault::Fault;

/// Mounting a share of a server that does not answer ends after this.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
/// Deletions at the same time: each reads the records of all backups of its volume.
const DELETIONS_AT_ONCE: usize = 4;
/// Each has up to 60 MiB of blocks in memory, and takes a processor.
const VERIFICATIONS_AT_ONCE: usize = 2;

/// The way to all targets; cheap to clone, all clones are the same. The default has no file for credentials.
#[derive(Clone, Debug)]
pub struct Backups(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    credentials: Credentials,
    /// By the target's name.
    opened: Mutex<HashMap<String, Opened>>,
    deletions: Arc<Semaphore>,
    /// Target and volume of each that is under way.
    deleting: Mutex<HashSet<String>>,
    verifications: Arc<Semaphore>,
    /// By target and volume: two that bring the same resources into step at once would undo each other's.
    in_step: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

struct Opened {
    url: String,
    credentials: BTreeMap<String, String>,
    store: Store,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Opened({})", self.url)
    }
}

impl Default for Backups {
    fn default() -> Self {
        Self::with(Credentials::default())
    }
}

impl Backups {
    /// With the credentials in this directory's file.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        Self::with(Credentials::at(directory.join(credentials::FILE)))
    }

    fn with(credentials: Credentials) -> Self {
        Self(Arc::new(Shared {
            credentials,
            opened: Mutex::default(),
            deletions: Arc::new(Semaphore::new(DELETIONS_AT_ONCE)),
            deleting: Mutex::default(),
            verifications: Arc::new(Semaphore::new(VERIFICATIONS_AT_ONCE)),
            in_step: Mutex::default(),
        }))
    }

    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// What the target asks for; nothing where it names no secret.
    pub fn credentials_of(&self, spec: &BackupTargetSpec) -> Result<BTreeMap<String, String>, Fault> {
        match spec.credential_secret.as_str() {
            "" => Ok(BTreeMap::new()),
            secret => self.0.credentials.of(secret),
        }
    }

    /// The target of this name. One that was opened before with the same address and credentials is the same.
    pub async fn store(&self, name: &str, spec: &BackupTargetSpec) -> Result<Store, Fault> {
        let credentials = self.credentials_of(spec)?;
        let url = &spec.backup_target_url;
        {
            let opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
            let same = |opened: &&Opened| opened.url == *url && opened.credentials == credentials;
            if let Some(opened) = opened.get(name).filter(same) {
                return Ok(opened.store.clone());
            }
        }
        let store = open(url, &credentials).await?;
        let opened = Opened { url: url.clone(), credentials, store: store.clone() };
        self.0.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), opened);
        Ok(store)
    }

    /// It is opened anew when it is needed again: what was open does not work, or nobody needs it.
    pub fn close(&self, name: &str) {
        self.0.opened.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Gives back what a target at this address leaves on this machine (the mount of a share), unless one of `others`, the
    /// addresses that are still wanted, is the same place. A failure is told in the log: nothing depends on it.
    pub(crate) async fn leave(&self, url: &str, others: &[&str]) {
        let Some(left) = left_by(url, others) else { return };
        let settings = Settings::default();
        let why = match tokio::time::timeout(OPEN_TIMEOUT, Store::forget(&left, &settings)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it did not end within {} s", OPEN_TIMEOUT.as_secs()),
        };
        tracing::warn!(url = left.as_str(), why, "the mount of a backup target that is not used any more stays");
    }

    /// A turn to read a whole backup.
    pub(crate) async fn verification(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.0.verifications).acquire_owned().await.ok()
    }

    /// A turn for a deletion in a volume of a target. None while there are enough, or one in this volume: come again. Whoever
    /// waited for it would hold up all others who have something else to do.
    pub(crate) fn deletion(&self, target: &str, volume: &str) -> Option<Deletion> {
        let permit = self.0.deletions.clone().try_acquire_owned().ok()?;
        let key = format!("{target}/{volume}");
        let is_alone = self.0.deleting.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        is_alone.then(|| Deletion { backups: self.clone(), key, _permit: permit })
    }

    /// Held while the resources of this volume in this target are brought into step with the store, and while one that was
    /// deleted there goes: a list from before is not looked at afterwards. Never during the deletion itself, which takes
    /// hours where there is much.
    pub(crate) async fn step(&self, target: &str, volume: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let key = format!("{target}/{volume}");
        let turn = {
            let mut all = self.0.in_step.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody holds are not needed any more.
            if all.len() > 1000 {
                all.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            all.entry(key).or_default().clone()
        };
        turn.lock_owned().await
    }
}

/// The address, if nobody is left who uses its place.
fn left_by(url: &str, others: &[&str]) -> Option<TargetUrl> {
    let left: TargetUrl = url.parse().ok()?;
    let is_wanted = others.iter().any(|other| is_at(other, &left));
    (!is_wanted).then_some(left)
}

/// Whether a target with this address is at that place, with whatever options.
#[must_use]
pub fn is_at(address: &str, place: &TargetUrl) -> bool {
    address.parse::<TargetUrl>().is_ok_and(|url| url.is_same_place(place))
}

/// A turn for a deletion. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Deletion {
    backups: Backups,
    key: String,
    _permit: OwnedSemaphorePermit,
}

impl Deletion {
    /// When to ask for a turn again: not all at the same time.
    pub(crate) fn pause() -> Duration {
        Duration::from_secs(2) + Duration::from_millis(rand::rng().random_range(0..8000))
    }
}

impl Drop for Deletion {
    fn drop(&mut self) {
        self.backups.0.deleting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Opens a target without keeping it open for others.
pub async fn open(url: &str, credentials: &BTreeMap<String, String>) -> Result<Store, Fault> {
    let url: TargetUrl = url.parse().map_err(|error| Fault::address(&error))?;
    let target = Target { url, credentials: Known::new(credentials.clone()) };
    match tokio::time::timeout(OPEN_TIMEOUT, Store::open(&target)).await {
        Ok(opened) => Ok(opened?),
        Err(_) => Err(Fault::timeout(format_args!("opening {}", target.url.as_str()), OPEN_TIMEOUT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn deletions_have_their_turns_and_nobody_waits_for_one() {
        let backups = Backups::default();
        let first = backups.deletion("offsite", "v1").unwrap();
        assert!(backups.deletion("offsite", "v1").is_none(), "one at a time in a volume");
        let others: Vec<_> = (2..=DELETIONS_AT_ONCE).map(|n| backups.deletion("offsite", &format!("v{n}"))).collect();
        assert!(others.iter().all(Option::is_some));
        assert!(backups.deletion("other", "v1").is_none(), "there are enough");
        drop(others);
        let again = backups.deletion("other", "v1").unwrap();
        assert!(backups.deletion("offsite", "v1").is_none(), "the first one is still under way");
        drop(first);
        assert!(backups.deletion("offsite", "v1").is_some());
        drop(again);
        let (least, most) = (Duration::from_secs(2), Duration::from_secs(10));
        assert!((0..100).all(|_| (least..most).contains(&Deletion::pause())));
    }

    #[test]
    fn a_mount_is_left_when_nobody_uses_its_place() {
        let url = "nfs://server:/path?nfsOptions=soft";
        assert_eq!(left_by(url, &["nfs://server:/other", "", "no url"]).unwrap().as_str(), url);
        assert!(left_by(url, &["nfs://other:/path", "nfs://server:/path"]).is_none());
        assert!(left_by("", &[]).is_none());
    }
}
