//! Replacing a small file in two steps: first all that takes space, then a rename.
//!
//! A failure before the rename has changed nothing, and the operation is refused. A failure of the sync after it is
//! another matter: the new content is in force now, and whether it still is after a power cut is not known. Callers
//! tell the two apart by [`ReplaceError`].

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::ChangeError;
use super::directory::Directory;
use super::error::ReplicaError;
use super::names;
use crate::crash_point;
use crate::disk::{DiskError, fault};

/// What is known after a file was to take another's place and an error came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplaceError {
    /// The old file is in force, before and after a power cut.
    #[error(transparent)]
    NotReplaced(ReplicaError),
    /// The new file is in place, or may be; whether that is durable is not known.
    #[error(transparent)]
    Unknown(ReplicaError),
}

impl From<ReplaceError> for ReplicaError {
    fn from(error: ReplaceError) -> Self {
        let (ReplaceError::NotReplaced(error) | ReplaceError::Unknown(error)) = error;
        error
    }
}

impl From<ReplaceError> for ChangeError {
    fn from(error: ReplaceError) -> Self {
        match error {
            ReplaceError::NotReplaced(error) => Self::Kept(error),
            ReplaceError::Unknown(error) => Self::Broken(error),
        }
    }
}

/// New content, durable under its temporary name. Dropped, it goes again.
#[derive(Debug)]
#[must_use]
pub(crate) struct Prepared<'directory> {
    directory: &'directory Directory,
    name: String,
    /// `None` once it has the file's name.
    tmp: Option<String>,
}

impl Directory {
    /// Writes the content that [`Prepared::commit`] puts in the place of the small file `name`. Nothing after this needs
    /// space on the disk.
    pub(crate) fn prepare(&self, name: &str, content: &[u8], mode: u32) -> Result<Prepared<'_>, ReplaceError> {
        let tmp = names::tmp_of(name);
        // From here on a failure removes what was written.
        let prepared = Prepared { directory: self, name: name.to_owned(), tmp: Some(tmp.clone()) };
        self.write_durably(&tmp, content, mode).map_err(|error| ReplaceError::NotReplaced(error.into()))?;
        crash_point::reached("replace.written");
        Ok(prepared)
    }

    fn write_durably(&self, name: &str, content: &[u8], mode: u32) -> Result<(), DiskError> {
        let path = &self.file(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        let mut file = options.open(path).map_err(DiskError::at("create", path))?;
        let written = fault::check("write", path).and_then(|()| file.write_all(content));
        written.map_err(DiskError::at("write", path))?;
        file.sync_all().map_err(DiskError::at("sync", path))
    }
}

/// As [`Prepared`], for whoever keeps it longer than a call. It does not go by itself.
#[derive(Debug)]
pub(crate) struct Kept {
    name: String,
    tmp: Option<String>,
}

impl Directory {
    /// Goes on with what was prepared before.
    pub(crate) fn resume(&self, kept: Kept) -> Prepared<'_> {
        Prepared { directory: self, name: kept.name, tmp: kept.tmp }
    }
}

impl Prepared<'_> {
    pub(crate) fn keep(mut self) -> Kept {
        Kept { name: std::mem::take(&mut self.name), tmp: self.tmp.take() }
    }

    /// Puts the content in place, durably.
    pub(crate) fn commit(mut self) -> Result<(), ReplaceError> {
        let Some(tmp) = self.tmp.take() else { return Ok(()) };
        let outcome = self.directory.rename(&tmp, &self.name);
        if matches!(outcome, Err(ReplaceError::NotReplaced(_))) {
            self.tmp = Some(tmp);
        }
        outcome
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        if let Some(tmp) = &self.tmp {
            // Best effort: a left-over is recognised at the next open.
            let _ = fs::remove_file(self.directory.file(tmp));
        }
    }
}
