//! Backup stores, as the manager speaks to them.
//!
//! 1. [`credentials`] — what targets ask for, in a file that nobody else reads;
//! 2. [`remote`] — lists, reads and deletes in a target: the one place that calls the library of the backup store;
//! 3. [`fault`] — what goes wrong there, with what a person can do;
//! 4. [`names`] — names of resources of what is found; [`labels`] — labels that a backup may have; [`needed`] — which may not go yet.
//!
//! The data itself never passes here: engines send and fetch it. What the resources show is the business of
//! [`crate::controllers::backup_target`] and [`crate::controllers::backup`].

pub mod credentials;
pub mod fault;
pub mod labels;
pub mod names;
pub mod needed;
pub mod remote;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aurochs_engine::backup::{Credentials as Known, Store, Target, TargetUrl};
use tokio::sync::Semaphore;

use crate::resources::backup_target::BackupTargetSpec;
use credentials::Credentials;
pub use fault::Fault;

/// Mounting a share of a server that does not answer ends after this.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
/// Deletions at the same time: each reads the records of all backups of its volume.
const DELETIONS_AT_ONCE: usize = 4;

/// The way to all targets; cheap to clone, all clones are the same. The default has no file for credentials.
#[derive(Clone, Debug)]
pub struct Backups(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    credentials: Credentials,
    /// By the target's name.
    opened: Mutex<HashMap<String, Opened>>,
    deletions: Semaphore,
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
        let deletions = Semaphore::new(DELETIONS_AT_ONCE);
        Self(Arc::new(Shared { credentials, opened: Mutex::default(), deletions, in_step: Mutex::default() }))
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

    /// A turn for a deletion in a target.
    pub(crate) async fn deletion(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.0.deletions.acquire().await.ok()
    }

    /// Held while the resources of this volume in this target are brought into step with the store.
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

/// Opens a target without keeping it open for others.
pub async fn open(url: &str, credentials: &BTreeMap<String, String>) -> Result<Store, Fault> {
    let url: TargetUrl = url.parse().map_err(|error| Fault::address(&error))?;
    let target = Target { url, credentials: Known::new(credentials.clone()) };
    match tokio::time::timeout(OPEN_TIMEOUT, Store::open(&target)).await {
        Ok(opened) => Ok(opened?),
        Err(_) => Err(Fault::timeout(format_args!("opening {}", target.url.as_str()), OPEN_TIMEOUT)),
    }
}
