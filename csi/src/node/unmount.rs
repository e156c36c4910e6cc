//! Taking mounts away, without losing what was written.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::mounts;
use super::programs::{self, LONG, QUICK};
use crate::failure::{Failure, Kind};
use crate::wait::Wait;

/// So long a mount may be in use by programs that are ending.
const BUSY_PATIENCE: Duration = Duration::from_secs(20);
/// Nobody stacks more on one path.
const LAYERS_MAXIMUM: usize = 16;

/// What to do with a mount that stays in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InUse {
    /// It stays, and the call fails.
    Fail,
    /// It goes out of sight, and for good when its last user has ended. For mounts that hold nothing of their own: binds of a
    /// file system that is mounted elsewhere, and those of devices that are no more.
    GoLazily,
}

/// Takes away all that is mounted at `path`.
pub(super) async fn all(path: &Path, in_use: InUse) -> Result<(), Failure> {
    for _ in 0..LAYERS_MAXIMUM {
        if mounts::at(path)?.is_none() {
            return Ok(());
        }
        one(path, in_use).await?;
    }
    Err(Failure::internal(format_args!("there is no end of what is mounted at {}", path.display()), ""))
}

async fn one(path: &Path, in_use: InUse) -> Result<(), Failure> {
    let mut wait = Wait::new(BUSY_PATIENCE);
    loop {
        // The kernel writes out what a file system has in memory before it lets it go.
        let ended = programs::run("umount", &["--"], &[path], LONG).await?;
        if ended.code == Some(0) || mounts::at(path)?.is_none() {
            return Ok(());
        }
        if wait.again("").await.is_ok() {
            continue;
        }
        if in_use == InUse::Fail {
            let message = format_args!("unmounting {} failed: {}", path.display(), ended.told());
            return Err(Failure::new(Kind::Internal, message, "End the programs that use it; it is tried again."));
        }
        tracing::warn!(path = %path.display(), told = ended.told(), "a mount that is in use is taken out of sight");
        let lazily = programs::run("umount", &["-l", "--"], &[path], QUICK).await?;
        return lazily.good(&format!("unmounting {} lazily", path.display())).map(drop);
    }
}

/// Removes an empty directory or an empty file, which nothing is mounted on any more. What is not there is fine.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    if mounts::at(path)?.is_some() {
        return Err(Failure::internal(format_args!("{} is still mounted", path.display()), ""));
    }
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|error| Failure::internal(format_args!("{}: {error}", path.display()), ""))?,
    };
    let is_empty_file = |found: &Metadata| found.is_file() && found.len() == 0;
    let removed = if found.is_dir() {
        std::fs::remove_dir(path)
    } else if is_empty_file(&found) || found.is_symlink() {
        std::fs::remove_file(path)
    } else {
        let message = format_args!("{} is no empty file or directory, and not removed", path.display());
        return Err(Failure::internal(message, "Look at what it is, and move it away."));
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let message = format_args!("removing {} failed: {error}", path.display());
            Err(Failure::internal(message, "Look at what is in there, and move it away."))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_empty_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("a");
        assert_eq!(remove(&inside), Ok(()), "what is not there is fine");
        std::fs::create_dir(&inside).unwrap();
        assert!(remove(directory.path()).is_err());
        remove(&inside).unwrap();
        std::fs::write(&inside, "").unwrap();
        remove(&inside).unwrap();
        std::fs::write(&inside, "precious").unwrap();
        assert!(remove(&inside).is_err() && inside.exists());
    }
}
