//! Where resources live. Nothing outside this module knows whether SQLite or the Kubernetes API server keeps them.
//!
//! [`RawStore`] is what a keeper implements (untyped, object-safe); [`Store`] is what everybody uses (typed, cheap
//! to clone). Semantics are Kubernetes': optimistic concurrency by resource version, spec and status written
//! separately, deletion that waits for finalizers, watches that start with what is there.

pub mod kube;
mod mirror;
mod raw;
mod shelf;
pub mod sqlite;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::resources::{GROUP, Kind, Object};
use mirror::Mirror;
use shelf::Entry;

pub use raw::{RawEvent, RawList, RawObject, RawStore};
pub use watch::{Watch, WatchEvent};

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no {kind} named {name:?}")]
    NotFound { kind: &'static str, name: String },
    #[error("{kind} {name:?} already exists")]
    AlreadyExists { kind: &'static str, name: String },
    #[error("{kind} {name:?} was changed by someone else since it was read; read it again and repeat the change")]
    Conflict { kind: &'static str, name: String },
    #[error("{kind} {name:?} in the store can't be read by this version: {source}")]
    Decode { kind: &'static str, name: String, source: serde_json::Error },
    /// It breaks a rule of the keeper's own, and would do so the next time.
    #[error("the Kubernetes API server refuses {kind} {name:?}: {why}")]
    Refused { kind: &'static str, name: String, why: String },
    #[error("the store failed while {doing}: {source}")]
    Backend { doing: String, source: Box<dyn std::error::Error + Send + Sync> },
}

impl StoreError {
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}

/// A `modify` that met this many conflicts in a row gives up: somebody writes the object in a tight loop.
const MODIFY_ATTEMPTS_MAXIMUM: u32 = 16;

/// The store as everybody uses it.
#[derive(Clone)]
pub struct Store {
    raw: Arc<dyn RawStore>,
    mirror: Arc<Mirror>,
}

impl Store {
    #[must_use]
    pub fn new(raw: Arc<dyn RawStore>) -> Self {
        let mirror = Arc::new(Mirror::new(raw.clone()));
        Self { raw, mirror }
    }

    /// The object of this name; `NotFound` when there is none.
    pub async fn get<K: Kind>(&self, name: &str) -> Result<Object<K>, StoreError> {
        let found = self.mirror.read::<K, _>(|all, _| all.get(name).cloned()).await;
        let entry = found.and_then(|found| found.ok_or(RawError::NotFound)).map_err(|error| error.typed::<K>(name))?;
        Ok(Arc::unwrap_or_clone(entry.object()?))
    }

    /// The object of this name, if there is one.
    pub async fn find<K: Kind>(&self, name: &str) -> Result<Option<Object<K>>, StoreError> {
        match self.get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All objects of a kind, by name.
    pub async fn list<K: Kind>(&self) -> Result<Vec<Object<K>>, StoreError> {
        Ok(self.list_shared().await?.into_iter().map(Arc::unwrap_or_clone).collect())
    }

    /// All objects of a kind, by name, without copying them: for those who only look.
    pub async fn list_shared<K: Kind>(&self) -> Result<Vec<Arc<Object<K>>>, StoreError> {
        let found = self.mirror.read::<K, _>(|all, _| all.values().cloned().collect::<Vec<_>>()).await;
        found.map_err(|error| error.typed::<K>(""))?.into_iter().map(Entry::object).collect()
    }

    /// The objects of a kind with this label value, by name.
    pub async fn list_labelled<K: Kind>(&self, key: &str, value: &str) -> Result<Vec<Object<K>>, StoreError> {
        let found = self.mirror.read::<K, _>(|_, shelf| shelf.labelled(key, value)).await;
        let found = found.map_err(|error| error.typed::<K>(""))?;
        found.into_iter().map(|entry| Ok(Arc::unwrap_or_clone(entry.object()?))).collect()
    }

    /// Stores a new object and answers with it as stored (uid, version, creation time, finalizer). Its status is
    /// not taken: a status is written by `update_status` only.
    pub async fn create<K: Kind>(&self, object: &Object<K>) -> Result<Object<K>, StoreError> {
        let mut raw = encode(object)?;
        raw.status = encode_part::<K, _>(object.name(), &K::Status::default())?;
        if K::FINALIZED && !raw.metadata.finalizers.iter().any(|finalizer| finalizer == GROUP) {
            raw.metadata.finalizers.push(GROUP.to_owned());
        }
        decode(self.written::<K, _>(object.name(), self.raw.create(K::PLURAL, raw).await)?)
    }

    /// Writes labels, annotations, finalizers, owners and spec if nobody changed the object since it was read. When it is being
    /// deleted and has no finalizers left, it goes.
    pub async fn update<K: Kind>(&self, object: &Object<K>) -> Result<Object<K>, StoreError> {
        let raw = encode(object)?;
        decode(self.written::<K, _>(object.name(), self.raw.update(K::PLURAL, raw).await)?)
    }

    /// Writes the status if nobody changed the object since it was read.
    pub async fn update_status<K: Kind>(&self, object: &Object<K>) -> Result<Object<K>, StoreError> {
        let raw = encode(object)?;
        decode(self.written::<K, _>(object.name(), self.raw.update_status(K::PLURAL, raw).await)?)
    }

    /// Asks for deletion: the object goes at once when it has no finalizers, else when the last one is removed.
    pub async fn delete<K: Kind>(&self, name: &str) -> Result<(), StoreError> {
        self.written::<K, _>(name, self.raw.delete(K::PLURAL, name).await)
    }

    /// A write's outcome. One that failed in the keeper may have happened all the same, unannounced.
    fn written<K: Kind, T>(&self, name: &str, outcome: Result<T, RawError>) -> Result<T, StoreError> {
        outcome.map_err(|error| {
            if matches!(error, RawError::Backend { .. }) {
                self.mirror.forget::<K>();
            }
            error.typed::<K>(name)
        })
    }

    /// Reads, changes and writes spec and metadata; repeats on conflict. No write when nothing changed.
    pub async fn modify<K: Kind>(
        &self,
        name: &str,
        mut change: impl FnMut(&mut Object<K>) + Send,
    ) -> Result<Object<K>, StoreError> {
        let mut attempt = 0;
        loop {
            let before = self.get::<K>(name).await?;
            let mut after = before.clone();
            change(&mut after);
            if after.spec == before.spec && after.metadata == before.metadata {
                return Ok(before);
            }
            attempt += 1;
            match self.update(&after).await {
                Err(error) if error.is_conflict() && attempt < MODIFY_ATTEMPTS_MAXIMUM => {
                    self.look_beyond(&before).await?;
                }
                result => return result,
            }
        }
    }

    /// Reads, changes and writes the status; repeats on conflict. No write when nothing changed.
    pub async fn modify_status<K: Kind>(
        &self,
        name: &str,
        mut change: impl FnMut(&mut K::Status) + Send,
    ) -> Result<Object<K>, StoreError> {
        let mut attempt = 0;
        loop {
            let before = self.get::<K>(name).await?;
            let mut after = before.clone();
            change(&mut after.status);
            if after.status == before.status {
                return Ok(before);
            }
            attempt += 1;
            match self.update_status(&after).await {
                Err(error) if error.is_conflict() && attempt < MODIFY_ATTEMPTS_MAXIMUM => {
                    self.look_beyond(&before).await?;
                }
                result => return result,
            }
        }
    }

    /// After a conflict. Who wrote in this process has announced it before; where nothing newer is seen, somebody else has
    /// written into the keeper, and the kind is read again.
    async fn look_beyond<K: Kind>(&self, before: &Object<K>) -> Result<(), StoreError> {
        let now = self.find::<K>(before.name()).await?;
        if now.is_some_and(|now| now.metadata.resource_version == before.metadata.resource_version) {
            self.mirror.forget::<K>();
        }
        Ok(())
    }

    /// Removes our finalizer: what had to be cleaned up is.
    pub async fn remove_finalizer<K: Kind>(&self, name: &str) -> Result<(), StoreError> {
        let result =
            self.modify::<K>(name, |object| object.metadata.finalizers.retain(|finalizer| finalizer != GROUP)).await;
        match result {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Every change of every kind from now on, for those who only want to know that there was one.
    #[must_use]
    pub fn changes(&self) -> tokio::sync::broadcast::Receiver<RawEvent> {
        self.raw.changes()
    }

    /// All objects now as `Applied`, then every change. A watcher that falls behind gets the present again.
    #[must_use]
    pub fn watch<K: Kind>(&self) -> Watch<K> {
        Watch::new(&*self.raw, self.mirror.clone())
    }
}

/// A keeper's error, before the kind is known.
#[derive(Debug)]
pub enum RawError {
    NotFound,
    AlreadyExists,
    Conflict,
    /// Why.
    Refused(String),
    Backend {
        doing: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RawError {
    fn typed<K: Kind>(self, name: &str) -> StoreError {
        let (kind, name) = (K::KIND, name.to_owned());
        match self {
            Self::NotFound => StoreError::NotFound { kind, name },
            Self::AlreadyExists => StoreError::AlreadyExists { kind, name },
            Self::Conflict => StoreError::Conflict { kind, name },
            Self::Refused(why) => StoreError::Refused { kind, name, why },
            Self::Backend { doing, source } => StoreError::Backend { doing, source },
        }
    }
}

fn decode<K: Kind>(raw: RawObject) -> Result<Object<K>, StoreError> {
    let name = raw.metadata.name.clone();
    let error = |source| StoreError::Decode { kind: K::KIND, name: name.clone(), source };
    let spec = serde_json::from_value(raw.spec).map_err(error)?;
    let status = serde_json::from_value(raw.status).map_err(error)?;
    Ok(Object { metadata: raw.metadata, spec, status })
}

fn encode<K: Kind>(object: &Object<K>) -> Result<RawObject, StoreError> {
    let spec = encode_part::<K, _>(object.name(), &object.spec)?;
    let status = encode_part::<K, _>(object.name(), &object.status)?;
    Ok(RawObject { metadata: object.metadata.clone(), spec, status })
}

fn encode_part<K: Kind, T: serde::Serialize>(name: &str, part: &T) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(part).map_err(|source| StoreError::Decode { kind: K::KIND, name: name.to_owned(), source })
}

/// Names and versions that a watcher has told.
type Told = BTreeMap<String, u64>;
