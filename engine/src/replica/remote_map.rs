//! `aurochs.remote`: which blocks of the volume are still in a backup store, while a restore goes on under a volume that
//! is in use (`volume::lazy`). The engine writes and reads it; to the replica it is text.
//!
//! | `aurochs.remote` | `Rebuilding` in `volume.meta` | what it means |
//! |---|---|---|
//! | there | true, or the file is missing | the text tells what is missing; all else is there |
//! | there | false | left by a crash while it came or went: the volume is empty, or complete. It is removed |
//! | not there | true | a rebuild broke off |
//!
//! Longhorn, and versions of Aurochs that know nothing of the file, take the replica for one in the middle of a rebuild
//! and leave it alone, which is right: they would show zeros where data is to come.
//!
//! Invariants:
//! - **`volume.meta` says `Rebuilding` as long as anything is remote**: it does from after the file is durable to before
//!   the file goes.
//! - **A rebuild of this replica removes the file before it touches a layer**, and none is taken while it goes on: what it
//!   leaves is never taken for a volume that lacks only what the file tells.
//! - A text that was taken is durable when the call returns; a crash leaves the one before or that one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::directory::Directory;
use super::metadata::VolumeMeta;
use super::stack::Structure;
use super::{ChangeError, Replica, ReplicaError, names};
use crate::crash_point;

const FOR: &str = "be told what is still in a backup";

/// The text as it is on the disk. Locked only by whoever holds the structure, shared or exclusive, or for a moment.
#[derive(Debug, Default)]
pub(super) struct RemoteMap(Mutex<Option<String>>);

impl RemoteMap {
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the directory holds, and what of `meta` follows from it. Changes nothing.
    pub(super) fn load(
        directory: &Directory,
        meta: &mut VolumeMeta,
        meta_is_guessed: bool,
    ) -> Result<Self, ReplicaError> {
        let Some(text) = directory.read(names::REMOTE_FILE)?.filter(|_| meta.rebuilding || meta_is_guessed) else {
            return Ok(Self::default());
        };
        let text = String::from_utf8(text)
            .map_err(|error| ReplicaError::corrupt(names::REMOTE_FILE, format!("it is no text: {error}")))?;
        meta.rebuilding = false;
        meta.remote = true;
        Ok(Self(Mutex::new(Some(text))))
    }

    /// Removes a file that does not count, once the directory is ours.
    pub(super) fn tidy(&self, directory: &Directory) -> Result<(), ReplicaError> {
        if self.lock().is_none() { remove_file(directory) } else { Ok(()) }
    }
}

impl Replica {
    /// What is still remote, in the engine's own words; `None`: nothing.
    #[must_use]
    pub fn remote_map(&self) -> Option<String> {
        self.remote.lock().clone()
    }

    /// Puts this text in the place of the one before, durably; `None`: the volume is complete.
    ///
    /// # Errors
    /// [`ReplicaError::Rebuilding`]: the replica lacks more than a text can tell; or the disk's, and the one before or this
    /// one is there.
    pub fn set_remote_map(&self, text: Option<&str>) -> Result<(), ReplicaError> {
        if text.is_some() && self.shared(|structure| Ok(structure.meta.remote))? {
            // Beside requests in flight: nothing but the file changes.
            return self.shared(|structure| self.store(structure, text));
        }
        self.exclusive(|structure| {
            if text.is_some() {
                self.store(structure, text)?;
                return mark(&self.directory, structure, true);
            }
            structure.complete_for(FOR)?;
            mark(&self.directory, structure, false)?;
            crash_point::reached("remote.mark-gone");
            *self.remote.lock() = None;
            Ok(remove_file(&self.directory)?)
        })
    }

    fn store(&self, structure: &Structure, text: Option<&str>) -> Result<(), ReplicaError> {
        structure.complete_for(FOR)?;
        let mut known = self.remote.lock();
        self.directory.replace(names::REMOTE_FILE, text.unwrap_or_default().as_bytes(), 0o600)?;
        crash_point::reached("remote.map-stored");
        *known = text.map(str::to_owned);
        Ok(())
    }

    /// The replica is being rebuilt, and `volume.meta` says so on the disk: nothing of it is worth being told apart any more.
    pub(super) fn forget_remote(&self, structure: &mut Structure) -> Result<(), ReplicaError> {
        structure.meta.remote = false;
        remove_file(&self.directory)?;
        *self.remote.lock() = None;
        Ok(())
    }
}

fn mark(directory: &Directory, structure: &mut Structure, remote: bool) -> Result<(), ChangeError> {
    if structure.meta.remote == remote {
        return Ok(());
    }
    let meta = VolumeMeta { remote, ..structure.meta.clone() };
    directory.replace(names::VOLUME_META, &meta.encode()?, 0o644)?;
    structure.meta = meta;
    Ok(())
}

fn remove_file(directory: &Directory) -> Result<(), ReplicaError> {
    if directory.read(names::REMOTE_FILE)?.is_none() {
        return Ok(());
    }
    directory.remove(names::REMOTE_FILE)?;
    directory.sync()
}
