//! Notifications: people are told of events, causes and ends of jobs where they look anyway.
//!
//! 1. [`target`] — where to, and what of; [`secrets`] — what it needs and nobody may read, in a file of its own;
//! 2. [`sources`] — finds what is to be told; [`notice`] — a piece of it;
//! 3. [`keeper`] — the tables: targets, what waits for them, how far sources were looked through;
//! 4. [`delivery`] — tells each target what waits for it; [`send`] — the message, over HTTP or SMTP.
//!
//! Invariants: what a target chose is in its outbox before the source is looked at further, and leaves it when it was taken
//! or was counted as dropped: neither a crash nor a restart loses a notice silently. It may be told twice, when the manager
//! ends between its being taken and that being noted. Outboxes are bounded. No secret is in the database, an answer or the log.

mod delivery;
mod keeper;
mod notice;
pub mod secrets;
mod send;
mod sources;
pub(crate) mod target;

use std::path::Path;
use std::sync::Arc;

use aurochs_api::notification::NotificationTargetInput;
use sqlx::SqlitePool;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub(crate) use keeper::Kept;
use notice::Notice;
use secrets::Secrets;
use send::Sender;
use sources::Outbox;
use target::{Spec, TargetError};

use crate::events::Events;
use crate::jobs::Jobs;
use crate::store::Store;
use crate::store::sqlite::Sqlite;

/// More targets than this are no people.
const TARGETS_MAXIMUM: usize = 50;

/// Why nothing can be told to anybody.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the file with the secrets of notifications {path} can't be used: {source}; give it back, or move it aside"
    )]
    Secrets { path: std::path::PathBuf, source: std::io::Error },
    #[error("notifications can't be sent: {0}")]
    Sender(String),
}

/// Why something was not done to a target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("this manager sends no notifications")]
    Nowhere,
    #[error("there is no notification target named {0:?}")]
    Unknown(String),
    #[error("there is a notification target {0} already")]
    Exists(String),
    #[error("there are {TARGETS_MAXIMUM} notification targets already")]
    TooMany,
    #[error("the secrets of notification targets can't be written: {0}")]
    Secrets(std::io::Error),
    #[error("the notification targets can't be read or written: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the test notice was not taken: {0}")]
    Test(String),
}

/// All targets. Clones are the same; the default has none and takes none.
#[derive(Clone, Default)]
pub struct Notifications(Option<Arc<Shared>>);

struct Shared {
    pool: SqlitePool,
    secrets: Secrets,
    sender: Sender,
    /// Something waits for somebody.
    filled: Arc<Notify>,
    /// A target was changed.
    changed: Notify,
    /// Held by who changes a target: its row and its secret belong together.
    changing: tokio::sync::Mutex<()>,
}

impl Notifications {
    /// The targets that are kept in this directory and this database. Nobody is told anything yet.
    pub fn open(directory: &Path, sqlite: &Sqlite, installation: &str) -> Result<Self, OpenError> {
        let path = directory.join(secrets::FILE);
        let secrets = Secrets::open(path.clone()).map_err(|source| OpenError::Secrets { path, source })?;
        let sender = Sender::new(installation).map_err(|error| OpenError::Sender(error.to_string()))?;
        let shared = Shared {
            pool: sqlite.writer(),
            secrets,
            sender,
            filled: Arc::new(Notify::new()),
            changed: Notify::new(),
            changing: tokio::sync::Mutex::default(),
        };
        Ok(Self(Some(Arc::new(shared))))
    }

    /// Begins to look and to tell, until the tasks are aborted; what waits then waits for the next beginning. To be called
    /// inside a tokio runtime.
    #[must_use]
    pub fn start(&self, store: &Store, events: &Events, jobs: &Jobs) -> Vec<JoinHandle<()>> {
        let Some(shared) = &self.0 else { return Vec::new() };
        let outbox = Outbox { pool: shared.pool.clone(), filled: shared.filled.clone() };
        vec![
            sources::follow_events(outbox.clone(), events.clone()),
            sources::follow_jobs(outbox.clone(), jobs.clone()),
            sources::follow_causes(outbox, store),
            tokio::spawn(delivery::run(shared.clone())),
        ]
    }

    fn shared(&self) -> Result<&Arc<Shared>, Error> {
        self.0.as_ref().ok_or(Error::Nowhere)
    }

    /// All targets with what is set of their secrets, by name.
    pub(crate) async fn list(&self) -> Result<Vec<Known>, Error> {
        let Some(shared) = &self.0 else { return Ok(Vec::new()) };
        let kept = keeper::list(&shared.pool).await?;
        Ok(kept.into_iter().map(|kept| shared.known(kept)).collect())
    }

    pub(crate) async fn find(&self, name: &str) -> Result<Known, Error> {
        let unknown = || Error::Unknown(name.to_owned());
        let Some(shared) = &self.0 else { return Err(unknown()) };
        keeper::find(&shared.pool, name).await?.map(|kept| shared.known(kept)).ok_or_else(unknown)
    }

    /// The secret first: a row without it would be a target that can't be told anything.
    pub(crate) async fn create(&self, input: &NotificationTargetInput) -> Result<Known, Error> {
        let shared = self.shared()?;
        target::check_name(&input.name)?;
        let (spec, secret) = Spec::create(input)?;
        let _one_at_a_time = shared.changing.lock().await;
        let targets = keeper::list(&shared.pool).await?;
        if targets.iter().any(|target| target.name == input.name) {
            return Err(Error::Exists(input.name.clone()));
        }
        if targets.len() >= TARGETS_MAXIMUM {
            return Err(Error::TooMany);
        }
        shared.secrets.set(&input.name, &secret).map_err(Error::Secrets)?;
        keeper::create(&shared.pool, &input.name, &spec).await?;
        self.find(&input.name).await
    }

    pub(crate) async fn change(&self, name: &str, input: &NotificationTargetInput) -> Result<Known, Error> {
        let shared = self.shared()?;
        let _one_at_a_time = shared.changing.lock().await;
        let before = self.find(name).await?.kept;
        let (spec, secret) = before.spec.change(&shared.secrets.of(name), input)?;
        shared.secrets.set(name, &secret).map_err(Error::Secrets)?;
        keeper::change(&shared.pool, name, &spec).await?;
        shared.changed.notify_waiters();
        shared.filled.notify_one();
        self.find(name).await
    }

    /// What waits for it is not told any more.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Error> {
        let shared = self.shared()?;
        let _one_at_a_time = shared.changing.lock().await;
        if !keeper::delete(&shared.pool, name).await? {
            return Err(Error::Unknown(name.to_owned()));
        }
        shared.changed.notify_waiters();
        shared.secrets.remove(name).map_err(Error::Secrets)
    }

    /// Sends a notice at once, past the outbox, also to a target that is switched off.
    pub(crate) async fn test(&self, name: &str) -> Result<Known, Error> {
        let shared = self.shared()?;
        let known = self.find(name).await?;
        let notices = [Notice::test(name)];
        let sent = shared.sender.send(&known.kept.spec, &shared.secrets.of(name), &notices).await;
        sent.map_err(|error| Error::Test(error.to_string()))?;
        Ok(known)
    }
}

/// A target, and whether its webhook, its header and its password are set.
pub(crate) struct Known {
    pub(crate) kept: Kept,
    pub(crate) set: [bool; 3],
}

impl Shared {
    fn known(&self, kept: Kept) -> Known {
        let set = self.secrets.of(&kept.name).set();
        Known { kept, set }
    }
}
