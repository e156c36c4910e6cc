//! What can be done with a target, whatever its kind.
//!
//! Paths are relative to the target, with `/` between their parts: `backupstore/volumes/…`. Objects are small enough to
//! be in memory whole; the largest are records of very large volumes and system backups. Every call ends: it has time
//! limits, also where the server is dead. A call that is dropped is cancelled; a write that is dropped or fails was
//! done whole or not at all.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::BoxStream;
use time::OffsetDateTime;

use super::target::blocking::Blocking;
use super::target::files::Files;
use super::target::objects::{Objects, explained};
use super::target::share::{Kind, Share};
use super::target::silence::Silence;
use super::target::{ErrorKind, Place, StoreError, Target, TargetUrl};
use super::target::{azure, mount, s3};

/// The largest object that [`Store::read`] takes into memory: the record of a backup of 16 TiB in blocks of 2 MiB.
pub const LARGEST_OBJECT: u64 = 1 << 30;
/// One file operation is waited for longer than an HTTP server that is silent: syncs take their time.
const FILE_PATIENCE: u32 = 4;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Without its path.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// By the server's clock.
    pub modified: OffsetDateTime,
    /// Another one, or none, when the object was replaced: to tell whether it has to be read again.
    pub version: Option<String>,
}

/// One level of a target; sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub directories: Vec<String>,
    pub files: Vec<Entry>,
}

/// An object found by [`Store::walk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Relative to the target, as the other calls want it.
    pub path: String,
    pub entry: Entry,
}

/// How a store behaves, besides its target.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where NFS and CIFS shares are mounted.
    pub mounts: PathBuf,
    /// How often a request that failed for a passing reason is made again.
    pub retries: usize,
    /// How long a server may be silent before a request to it has failed.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mounts: PathBuf::from("/var/lib/longhorn-backupstore-mounts"),
            retries: 5,
            patience: Duration::from_secs(30),
        }
    }
}

/// What [`Store::test`] did, and how long each step took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestReport {
    pub steps: Vec<TestStep>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestStep {
    /// As [`StoreError::operation`] names it.
    pub name: &'static str,
    pub took: Duration,
}

/// An open target. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    url: TargetUrl,
    access: Access,
}

#[derive(Clone)]
enum Access {
    Files(Files),
    Objects(Objects),
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Store").field(&self.url.as_str()).finish()
    }
}

impl Store {
    /// Opens a target with the default settings. Mounts NFS and CIFS shares; object stores are not asked yet.
    pub async fn open(target: &Target) -> Result<Self, StoreError> {
        Self::open_with(target, &Settings::default()).await
    }

    pub async fn open_with(target: &Target, settings: &Settings) -> Result<Self, StoreError> {
        let url = target.url.clone();
        let credentials = &target.credentials;
        let blocking = |who: &str| {
            let silence = Silence::new(who, silence_patience(settings.patience));
            Blocking::new(settings.patience * FILE_PATIENCE, silence)
        };
        let access = match url.place() {
            Place::Local { path } => {
                let blocking = blocking(&format!("the file system of {}", path.display()));
                Access::Files(Files::open(path.clone(), None, url.as_str(), blocking).await?)
            }
            Place::S3 { bucket, region, prefix } => {
                let bucket = s3::Bucket { name: bucket, region: region.as_deref(), prefix };
                let objects = s3::open(&bucket, credentials, settings);
                Access::Objects(objects.map_err(|failure| explained("open", url.as_str(), &failure))?)
            }
            Place::Azure { container, suffix, prefix } => {
                let container = azure::Container { name: container, suffix: suffix.as_deref(), prefix };
                let objects = azure::open(&container, credentials, settings);
                Access::Objects(objects.map_err(|failure| explained("open", url.as_str(), &failure))?)
            }
            Place::Nfs { server, path, options } => {
                let share = share(Kind::Nfs, server, path, options.as_ref());
                let place = mount::mounted(&share, credentials, &settings.mounts).await?;
                let blocking = blocking(&share.who());
                Access::Files(Files::open(place, Some(share), url.as_str(), blocking).await?)
            }
            Place::Cifs { server, path, options } => {
                let share = share(Kind::Cifs, server, path, options.as_ref());
                let place = mount::mounted(&share, credentials, &settings.mounts).await?;
                let blocking = blocking(&share.who());
                Access::Files(Files::open(place, Some(share), url.as_str(), blocking).await?)
            }
        };
        Ok(Self { url, access })
    }

    /// Gives back what [`Store::open`] leaves on this machine for others that open the same target: the mount of an NFS
    /// or CIFS share. For when nothing uses the target any more.
    pub async fn forget(target: &TargetUrl, settings: &Settings) -> Result<(), StoreError> {
        match target.place() {
            Place::Nfs { server, path, options } => {
                mount::unmounted(&share(Kind::Nfs, server, path, options.as_ref()), &settings.mounts).await
            }
            Place::Cifs { server, path, options } => {
                mount::unmounted(&share(Kind::Cifs, server, path, options.as_ref()), &settings.mounts).await
            }
            Place::S3 { .. } | Place::Azure { .. } | Place::Local { .. } => Ok(()),
        }
    }

    /// Returns when its server has answered nothing for so long that calls fail at once ([`StoreError::is_given_up`]).
    /// Calls to object stores try again by themselves, each with its own limit: for those this never returns.
    pub(super) async fn is_given_up(&self) {
        match &self.access {
            Access::Files(files) => files.is_given_up().await,
            Access::Objects(_) => std::future::pending().await,
        }
    }

    #[must_use]
    pub fn url(&self) -> &TargetUrl {
        &self.url
    }

    /// A whole object of at most [`LARGEST_OBJECT`] bytes; [`ErrorKind::NotFound`] when there is none.
    pub async fn read(&self, path: &str) -> Result<Bytes, StoreError> {
        self.read_at_most(path, LARGEST_OBJECT).await
    }

    /// A whole object that is refused as damaged, and not taken into memory, when it has more than `limit` bytes.
    pub async fn read_at_most(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        check("get", path)?;
        match &self.access {
            Access::Files(files) => files.read(path, limit).await,
            Access::Objects(objects) => objects.read(path, limit).await,
        }
    }

    /// Puts a whole object, or replaces it. Durable when this returns; never seen in part by anybody.
    pub async fn write(&self, path: &str, data: Bytes) -> Result<(), StoreError> {
        check("put", path)?;
        match &self.access {
            Access::Files(files) => files.write(path, data).await,
            Access::Objects(objects) => objects.write(path, data).await,
        }
    }

    /// What a listing would say of an object; `None` when there is none. (Whether the bucket is there, S3 does not say.)
    pub async fn facts(&self, path: &str) -> Result<Option<Entry>, StoreError> {
        check("look up", path)?;
        match &self.access {
            Access::Files(files) => files.facts(path).await,
            Access::Objects(objects) => objects.facts(path).await,
        }
    }

    /// One level of the target. A directory that is not there is empty.
    pub async fn list(&self, directory: &str) -> Result<Listing, StoreError> {
        check("list", directory)?;
        match &self.access {
            Access::Files(files) => files.list(directory).await,
            Access::Objects(objects) => objects.list(directory).await,
        }
    }

    /// All objects below a directory, on all levels, in no order. Object stores answer this a thousand at a time,
    /// however deep they lie. Ends at the first error.
    #[must_use]
    pub fn walk(&self, directory: &str) -> BoxStream<'static, Result<Found, StoreError>> {
        match &self.access {
            Access::Files(files) => files.walk(directory),
            Access::Objects(objects) => objects.walk(directory),
        }
    }

    /// Removes an object. One that is not there is fine.
    pub async fn remove(&self, path: &str) -> Result<(), StoreError> {
        check("remove", path)?;
        match &self.access {
            Access::Files(files) => files.remove(path).await,
            Access::Objects(objects) => objects.remove(path).await,
        }
    }

    /// Removes a directory and all below it. One that is not there is fine.
    pub async fn remove_all(&self, directory: &str) -> Result<(), StoreError> {
        check("remove", directory)?;
        match &self.access {
            Access::Files(files) => files.remove_all(directory).await,
            Access::Objects(objects) => objects.remove_all(directory).await,
        }
    }

    /// Tries all that backups need, with an object of its own. The error's `operation` is the step that failed.
    pub async fn test(&self) -> Result<TestReport, StoreError> {
        let path = format!("backupstore/aurochs-test-{:016x}", rand::random::<u64>());
        let content = Bytes::from(path.clone());
        let mut report = TestReport::default();
        let mut begin = Instant::now();
        let mut done =
            |name| report.steps.push(TestStep { name, took: std::mem::replace(&mut begin, Instant::now()).elapsed() });
        self.list("backupstore").await?;
        done("list");
        self.write(&path, content.clone()).await?;
        done("put");
        let read = self.read_at_most(&path, 1 << 20).await;
        // Whatever came of it: nothing is left behind.
        let removed = self.remove(&path).await;
        if read? != content {
            return Err(StoreError::new(ErrorKind::Damaged, "get", path, "it is not what was put there before"));
        }
        done("get");
        removed?;
        done("remove");
        Ok(report)
    }
}

/// How long a file server may answer no operation at all, next to the patience with an HTTP server. Shorter than a lock may
/// go without renewal, and than a person waits for a test of the target: then this error, which names it, is the one told.
fn silence_patience(patience: Duration) -> Duration {
    patience * 3 / 2
}

fn share(kind: Kind, server: &str, path: &str, options: Option<&String>) -> Share {
    Share { kind, server: server.to_owned(), path: path.to_owned(), options: options.cloned() }
}

/// Paths are made of names that come from outside: none leads out of the target. The empty one is the target itself.
fn check(verb: &'static str, path: &str) -> Result<(), StoreError> {
    let wrong = |part: &str| matches!(part, "" | "." | "..") || part.contains(char::is_control);
    if (path.is_empty() && verb == "list") || !path.split('/').any(wrong) {
        return Ok(());
    }
    let why = "a path in a target has names with / between them, none of them empty, \".\" or \"..\"";
    Err(StoreError::new(ErrorKind::Other, verb, format!("{path:?}"), why).with_next_step("choose another name"))
}
