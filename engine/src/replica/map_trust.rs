//! Whether a map of blocks still says what the files say.
//!
//! After a change of a file that failed, the file is asked what it holds now. Where it does not answer either, the map may
//! be wrong, and a read by it could return data that was discarded or never was there. Nothing is served by such a map
//! again: only another open reads the files anew.

use std::sync::OnceLock;

use super::error::ReplicaError;

/// Holds the reason once trust is lost.
#[derive(Debug, Default)]
pub(super) struct MapTrust(OnceLock<String>);

impl MapTrust {
    /// The file could not be asked: `error` says why.
    pub(super) fn lose(&self, error: &impl std::fmt::Display) {
        // The first reason stays.
        let _ = self.0.set(format!("which blocks its files hold could not be found out: {error}"));
    }

    /// Why nothing may be looked up any more, if that is so.
    pub(super) fn lost(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    pub(super) fn check(&self) -> Result<(), ReplicaError> {
        match self.lost() {
            Some(why) => Err(ReplicaError::Failed { why: why.to_owned() }),
            None => Ok(()),
        }
    }
}
