//! Resources in a SQLite file: the keeper of a standalone installation.
//!
//! Write-ahead log, `synchronous=FULL` (an answered change survives a power cut), one writer connection so that
//! changes have one order, several readers. A write runs in its own task: a caller that goes away in the middle
//! (a closed HTTP connection) must not separate the change from its announcement.

#[cfg(debug_assertions)]
mod crash;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use super::{RawError, RawEvent, RawList, RawObject, RawStore};
use crate::resources::timestamp;

/// Changes a watcher may lag behind before it has to list again. One change is a few kilobytes, shared.
const CHANGES_BUFFERED: usize = 4096;
/// How long a connection waits for another process that has the file locked (a backup tool, the sqlite shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// A store in one file.
#[derive(Clone)]
pub struct Sqlite {
    readers: SqlitePool,
    writer: SqlitePool,
    changes: broadcast::Sender<RawEvent>,
}

impl Sqlite {
    /// Opens the file, makes it when missing, and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        Self::open_buffered(path, CHANGES_BUFFERED).await
    }

    /// As `open`, with room for this many changes that a watcher has not read.
    pub async fn open_buffered(path: &Path, changes_buffered: usize) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        MIGRATIONS.run(&writer).await?;
        let readers = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        Ok(Self { readers, writer, changes: broadcast::Sender::new(changes_buffered) })
    }

    /// The readers' pool, for tables beside the resources. They may write too, waiting for the writer.
    #[must_use]
    pub fn pool(&self) -> SqlitePool {
        self.readers.clone()
    }

    /// The one writer's pool, for rows beside the resources that somebody waits for: they have their turn among its writes.
    #[must_use]
    pub fn writer(&self) -> SqlitePool {
        self.writer.clone()
    }

    /// Ends all connections, after the writes that have begun. A write runs in its own task, which outlives whoever asked
    /// for it: one that came after the next manager has read its picture would never be seen by that manager.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    /// Runs one change in a transaction and announces it before the next one can begin.
    fn write<F>(
        &self,
        plural: &'static str,
        doing: String,
        change: F,
    ) -> BoxFuture<'static, Result<RawObject, RawError>>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Change, Failure>> + Send + 'static,
    {
        let (writer, changes) = (self.writer.clone(), self.changes.clone());
        let task: JoinHandle<Result<RawObject, Failure>> = tokio::spawn(async move {
            // The connection is held until the change is announced: announcements have the order of commits.
            let mut connection = writer.acquire().await?;
            // Immediate: one that first reads and then writes would fail at once, without waiting, when somebody else
            // (events, sessions) wrote between the two.
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let change = change(&mut transaction).await?;
            #[cfg(debug_assertions)]
            let is_change = !matches!(change, Change::Nothing(_));
            #[cfg(debug_assertions)]
            if is_change {
                crash::before_commit();
            }
            transaction.commit().await?;
            #[cfg(debug_assertions)]
            if is_change {
                crash::after_commit();
            }
            let (object, deleted) = match change {
                Change::Nothing(object) => return Ok(object),
                Change::Written(object) => (object, false),
                Change::Deleted(object) => (object, true),
            };
            let version = object.version();
            let event = RawEvent { plural, version, deleted, object: Arc::new(object.clone()) };
            // Nobody watching is fine.
            let _ = changes.send(event);
            Ok(object)
        });
        Box::pin(async move {
            match task.await {
                Ok(Ok(object)) => Ok(object),
                Ok(Err(failure)) => Err(failure.at(doing)),
                Err(join) => Err(RawError::Backend { doing, source: Box::new(join) }),
            }
        })
    }
}

/// What a transaction did. The object's version is the store's after it.
enum Change {
    Nothing(RawObject),
    Written(RawObject),
    Deleted(RawObject),
}

/// Why a transaction did nothing.
enum Failure {
    NotFound,
    AlreadyExists,
    Conflict,
    Sql(sqlx::Error),
    Json(serde_json::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl Failure {
    fn at(self, doing: String) -> RawError {
        match self {
            Self::NotFound => RawError::NotFound,
            Self::AlreadyExists => RawError::AlreadyExists,
            Self::Conflict => RawError::Conflict,
            Self::Sql(source) => RawError::Backend { doing, source: Box::new(source) },
            Self::Json(source) => RawError::Backend { doing, source: Box::new(source) },
        }
    }
}

impl RawStore for Sqlite {
    fn get<'a>(&'a self, plural: &'static str, name: &'a str) -> BoxFuture<'a, Result<RawObject, RawError>> {
        Box::pin(async move {
            let failure = |failure: Failure| failure.at(format!("reading {plural}/{name}"));
            let mut connection = self.readers.acquire().await.map_err(|error| failure(error.into()))?;
            rows::get(&mut connection, plural, name).await.map_err(failure)?.ok_or(RawError::NotFound)
        })
    }

    fn list<'a>(
        &'a self,
        plural: &'static str,
        label: Option<(&'a str, &'a str)>,
    ) -> BoxFuture<'a, Result<RawList, RawError>> {
        Box::pin(async move {
            let failure = |failure: Failure| failure.at(format!("listing {plural}"));
            let read = async {
                // One transaction, so that the version belongs to the items.
                let mut transaction = self.readers.begin().await?;
                let version = rows::version(&mut transaction).await?;
                let items = rows::list(&mut transaction, plural, label).await?;
                transaction.commit().await?;
                Ok(RawList { items, version })
            };
            read.await.map_err(failure)
        })
    }

    fn create(&self, plural: &'static str, mut object: RawObject) -> BoxFuture<'_, Result<RawObject, RawError>> {
        let doing = format!("creating {plural}/{}", object.metadata.name);
        self.write(plural, doing, move |connection| {
            Box::pin(async move {
                if rows::get(connection, plural, &object.metadata.name).await?.is_some() {
                    return Err(Failure::AlreadyExists);
                }
                object.metadata.uid = uuid::Uuid::new_v4().to_string();
                object.metadata.creation_timestamp = timestamp::now();
                object.metadata.deletion_timestamp = None;
                rows::put(connection, plural, &mut object, &BTreeMap::new()).await?;
                Ok(Change::Written(object))
            })
        })
    }

    fn update(&self, plural: &'static str, object: RawObject) -> BoxFuture<'_, Result<RawObject, RawError>> {
        let doing = format!("writing {plural}/{}", object.metadata.name);
        self.write(plural, doing, move |connection| {
            Box::pin(async move {
                let stored = rows::get_at_version(connection, plural, &object.metadata).await?;
                let mut next = stored.clone();
                next.spec = object.spec;
                next.metadata.labels = object.metadata.labels;
                next.metadata.annotations = object.metadata.annotations;
                next.metadata.finalizers = object.metadata.finalizers;
                next.metadata.owner_references = object.metadata.owner_references;
                if next.metadata.deletion_timestamp.is_some() && next.metadata.finalizers.is_empty() {
                    rows::remove(connection, plural, &mut next).await?;
                    return Ok(Change::Deleted(next));
                }
                if next == stored {
                    return Ok(Change::Nothing(stored));
                }
                rows::put(connection, plural, &mut next, &stored.metadata.labels).await?;
                Ok(Change::Written(next))
            })
        })
    }

    fn update_status(&self, plural: &'static str, object: RawObject) -> BoxFuture<'_, Result<RawObject, RawError>> {
        let doing = format!("writing the status of {plural}/{}", object.metadata.name);
        self.write(plural, doing, move |connection| {
            Box::pin(async move {
                let stored = rows::get_at_version(connection, plural, &object.metadata).await?;
                if stored.status == object.status {
                    return Ok(Change::Nothing(stored));
                }
                let labels = stored.metadata.labels.clone();
                let mut next = RawObject { status: object.status, ..stored };
                rows::put(connection, plural, &mut next, &labels).await?;
                Ok(Change::Written(next))
            })
        })
    }

    fn delete<'a>(&'a self, plural: &'static str, name: &'a str) -> BoxFuture<'a, Result<(), RawError>> {
        let (name, doing) = (name.to_owned(), format!("deleting {plural}/{name}"));
        let written = self.write(plural, doing, move |connection| {
            Box::pin(async move {
                let mut object = rows::get(connection, plural, &name).await?.ok_or(Failure::NotFound)?;
                if object.metadata.finalizers.is_empty() {
                    rows::remove(connection, plural, &mut object).await?;
                    return Ok(Change::Deleted(object));
                }
                if object.metadata.deletion_timestamp.is_some() {
                    return Ok(Change::Nothing(object));
                }
                object.metadata.deletion_timestamp = Some(timestamp::now());
                let labels = object.metadata.labels.clone();
                rows::put(connection, plural, &mut object, &labels).await?;
                Ok(Change::Written(object))
            })
        });
        Box::pin(async move { written.await.map(|_| ()) })
    }

    fn changes(&self) -> broadcast::Receiver<RawEvent> {
        self.changes.subscribe()
    }
}
