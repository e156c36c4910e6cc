//! Objects in a bucket of S3 or a container of Azure.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http::Extensions;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload};
use time::OffsetDateTime;

use super::answer::Failure;
use super::fault::{ErrorKind, StoreError};
use super::http::{Limit, failure_in};
use crate::backup::store::{Entry, Found, Listing};

/// Objects that are removed at the same time; one by one, as not every server can remove several at once.
const REMOVALS: usize = 16;

/// The objects whose keys begin with one prefix.
#[derive(Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Without `/` at its ends; may be empty.
    prefix: String,
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: String) -> Self {
        Self { store, prefix }
    }

    pub(crate) async fn read(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        let key = self.key("get", path)?;
        let mut extensions = Extensions::new();
        extensions.insert(Limit(limit));
        let options = GetOptions::new().with_extensions(extensions);
        let got = self.store.get_opts(&key, options).await.map_err(|error| failed("get", path, &error))?;
        got.bytes().await.map_err(|error| failed("get", path, &error))
    }

    pub(crate) async fn write(&self, path: &str, data: Bytes) -> Result<(), StoreError> {
        let key = self.key("put", path)?;
        let put = self.store.put(&key, PutPayload::from(data)).await;
        put.map(drop).map_err(|error| failed("put", path, &error))
    }

    pub(crate) async fn facts(&self, path: &str) -> Result<Option<Entry>, StoreError> {
        let key = self.key("look up", path)?;
        match self.store.head(&key).await {
            Ok(meta) => Ok(Some(entry(&meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => {
                // Answers to HEAD have no words, so why it is refused is asked for in another way.
                if failure_in(&error).is_some_and(|failure| failure.wordless)
                    && let Err(reason) = self.page(path).await
                {
                    return Err(reason);
                }
                Err(failed("look up", path, &error))
            }
        }
    }

    /// Asks for a listing, of which only an error is of interest.
    async fn page(&self, path: &str) -> Result<(), StoreError> {
        let key = self.key("look up", path)?;
        let first = self.store.list(Some(&key)).next().await;
        first.transpose().map(drop).map_err(|error| failed("look up", path, &error))
    }

    pub(crate) async fn list(&self, directory: &str) -> Result<Listing, StoreError> {
        let key = self.key("list", directory)?;
        let found =
            self.store.list_with_delimiter(Some(&key)).await.map_err(|error| failed("list", directory, &error))?;
        let directories = found.common_prefixes.iter().filter_map(|path| Some(path.filename()?.to_owned()));
        let mut directories: Vec<String> = directories.collect();
        let mut files: Vec<Entry> = found.objects.iter().filter(|meta| meta.location != key).map(entry).collect();
        directories.sort_unstable();
        files.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(Listing { directories, files })
    }

    pub(crate) fn walk(&self, directory: &str) -> BoxStream<'static, Result<Found, StoreError>> {
        let key = match self.key("list", directory) {
            Ok(key) => key,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let asked = directory.to_owned();
        let prefix = self.prefix.clone();
        let found = move |meta: ObjectMeta| {
            let path = meta.location.as_ref();
            let path = if prefix.is_empty() { path } else { path.strip_prefix(&prefix)?.strip_prefix('/')? };
            Some(Found { path: path.to_owned(), entry: entry(&meta) })
        };
        let all = self.store.list(Some(&key)).map_err(move |error| failed("list", &asked, &error));
        all.try_filter_map(move |meta| std::future::ready(Ok(found(meta)))).boxed()
    }

    pub(crate) async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let key = self.key("remove", path)?;
        match self.store.delete(&key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("remove", path, &error)),
        }
    }

    pub(crate) async fn remove_all(&self, directory: &str) -> Result<(), StoreError> {
        let each = self.walk(directory).map_ok(|found| async move { self.remove(&found.path).await });
        each.try_buffer_unordered(REMOVALS).try_collect::<()>().await
    }

    fn key(&self, verb: &'static str, path: &str) -> Result<Path, StoreError> {
        let key = if path.is_empty() || self.prefix.is_empty() {
            format!("{}{path}", self.prefix)
        } else {
            format!("{}/{path}", self.prefix)
        };
        Path::parse(key).map_err(|error| StoreError::new(ErrorKind::Other, verb, path, error.to_string()))
    }
}

fn entry(meta: &ObjectMeta) -> Entry {
    let seconds = OffsetDateTime::from_unix_timestamp(meta.last_modified.timestamp());
    let parts = time::Duration::nanoseconds(i64::from(meta.last_modified.timestamp_subsec_nanos()));
    let modified = seconds.unwrap_or(OffsetDateTime::UNIX_EPOCH).saturating_add(parts);
    let name = meta.location.filename().unwrap_or_default().to_owned();
    Entry { name, size: meta.size, modified, version: meta.e_tag.clone() }
}

/// What `object_store` says, as what it means. Its own words may hold whole answers and URLs and are not repeated.
pub(crate) fn failed(verb: &'static str, what: &str, error: &object_store::Error) -> StoreError {
    if let Some(failure) = failure_in(error) {
        return explained(verb, what, failure);
    }
    match error {
        object_store::Error::NotFound { .. } => StoreError::new(ErrorKind::NotFound, verb, what, "it does not exist"),
        object_store::Error::Generic { store, source } => StoreError::new(
            ErrorKind::Other,
            verb,
            what,
            format!("the answer makes no sense as one of {store}: {source}"),
        )
        .with_next_step("check that the endpoint is that of an object store of this kind"),
        _ => StoreError::new(ErrorKind::Other, verb, what, "the server gave an answer that is not expected"),
    }
}

pub(crate) fn explained(verb: &'static str, what: &str, failure: &Failure) -> StoreError {
    let error = StoreError::new(failure.kind, verb, what, failure.why.as_str());
    match &failure.next_step {
        Some(next_step) => error.with_next_step(next_step.as_str()),
        None => error,
    }
}
