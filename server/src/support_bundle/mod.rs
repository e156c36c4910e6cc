//! Support bundles: resources, settings, events, logs and the environment in one archive, without secrets.
//!
//! 1. [`controller`] — a SupportBundle resource from being asked for to being there, and its end;
//! 2. [`contents`] — what goes in, part by part; [`redact`] — what is taken out of every part;
//! 3. [`archive`] — the file, which is bounded and appears under its name only when it is whole.
//!
//! Invariant: every byte of an archive has gone through [`redact`].

mod archive;
mod contents;
pub mod controller;
mod redact;
#[cfg(test)]
mod tests;

pub(crate) use redact::Redactor;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

/// Where bundles are and what they are made of. Clones share it; the default has no place for any.
#[derive(Clone, Debug, Default)]
pub struct Bundles(Option<Arc<Place>>);

/// The part of an installation that bundles need.
#[derive(Debug)]
pub struct Place {
    /// The archives.
    pub directory: PathBuf,
    /// Logs of the instance managers, engines and replicas.
    pub logs: PathBuf,
    /// The node whose manager collects.
    pub owner: String,
    /// Files whose content is secret: none of their lines' parts may be in a bundle.
    pub secrets: Vec<PathBuf>,
    creating: Mutex<()>,
}

impl Place {
    #[must_use]
    pub fn new(directory: PathBuf, logs: PathBuf, owner: &str, secrets: Vec<PathBuf>) -> Self {
        Self { directory, logs, owner: owner.to_owned(), secrets, creating: Mutex::default() }
    }

    fn archive(&self, name: &str) -> PathBuf {
        self.directory.join(file_name(name))
    }

    /// Held while a bundle is asked for, so that two clients don't get two.
    pub async fn creating(&self) -> MutexGuard<'_, ()> {
        self.creating.lock().await
    }
}

impl Bundles {
    #[must_use]
    pub fn at(place: Place) -> Self {
        Self(Some(Arc::new(place)))
    }

    #[must_use]
    pub fn place(&self) -> Option<&Arc<Place>> {
        self.0.as_ref()
    }

    /// The archive of a bundle that is ready.
    #[must_use]
    pub fn archive(&self, name: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|place| place.archive(name)).filter(|path| Path::is_file(path))
    }
}

/// Key of the job that makes it.
#[must_use]
pub fn job_key(bundle: &str) -> String {
    format!("supportBundle/{bundle}")
}

/// As the browser saves it.
#[must_use]
pub fn file_name(bundle: &str) -> String {
    format!("{bundle}.zip")
}
