//! The calls of a store on a directory, each on a thread that may be lost.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::blocking::Blocking;
use super::fault::StoreError;
use super::local::Directory;
use super::share::Share;
use crate::backup::store::{Entry, Found, Listing};

/// Files that are removed at the same time.
const REMOVALS: usize = 8;

/// The files below one directory.
#[derive(Clone)]
pub(crate) struct Files {
    directory: Arc<Directory>,
    blocking: Blocking,
}

impl Files {
    /// `share` is what is mounted at `root`.
    pub(crate) async fn open(
        root: PathBuf,
        share: Option<Share>,
        what: &str,
        blocking: Blocking,
    ) -> Result<Self, StoreError> {
        let silence = blocking.silence().clone();
        let directory = blocking.run("open", what, move || Directory::open(&root, share, silence)).await?;
        Ok(Self { directory: Arc::new(directory), blocking })
    }

    /// Returns when no call is worth another try.
    pub(crate) async fn is_given_up(&self) {
        self.blocking.silence().is_given_up().await;
    }

    pub(crate) async fn read(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        self.run("get", path, move |files, path| files.read(path, limit)).await
    }

    pub(crate) async fn write(&self, path: &str, data: Bytes) -> Result<(), StoreError> {
        self.run("put", path, move |files, path| files.write(path, &data)).await
    }

    pub(crate) async fn facts(&self, path: &str) -> Result<Option<Entry>, StoreError> {
        self.run("look up", path, Directory::facts).await
    }

    pub(crate) async fn list(&self, directory: &str) -> Result<Listing, StoreError> {
        self.run("list", directory, Directory::list).await
    }

    pub(crate) fn walk(&self, directory: &str) -> BoxStream<'static, Result<Found, StoreError>> {
        let files = self.clone();
        let level = move |mut left: Vec<String>| {
            let files = files.clone();
            async move {
                let Some(directory) = left.pop() else { return Ok::<_, StoreError>(None) };
                let listing = files.list(&directory).await?;
                left.extend(listing.directories.iter().map(|name| join(&directory, name)));
                let found = listing.files.into_iter();
                let found = found.map(move |entry| Ok(Found { path: join(&directory, &entry.name), entry }));
                Ok(Some((stream::iter(found), left)))
            }
        };
        stream::try_unfold(vec![directory.to_owned()], level).try_flatten().boxed()
    }

    pub(crate) async fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.run("remove", path, Directory::remove).await
    }

    /// File by file, so that each call is short however many there are; then what is left of the directories.
    pub(crate) async fn remove_all(&self, directory: &str) -> Result<(), StoreError> {
        let this = self.clone();
        let each = self.walk(directory).map_ok(move |found| {
            let this = this.clone();
            async move { this.remove(&found.path).await }
        });
        each.try_buffer_unordered(REMOVALS).try_collect::<()>().await?;
        self.run("remove", directory, Directory::remove_all).await
    }

    async fn run<T: Send + 'static>(
        &self,
        verb: &'static str,
        path: &str,
        work: impl FnOnce(&Directory, &str) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (directory, asked) = (Arc::clone(&self.directory), path.to_owned());
        self.blocking.run(verb, path, move || work(&directory, &asked)).await
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}
