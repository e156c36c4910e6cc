//! Who had the volume on this node last, for the block device that an engine which was killed may have left.
//!
//! Such a device holds requests of the moment in which its engine ended, and its users hold data of then. Served again,
//! they go on to the volume. That is right only if nobody has changed the volume meanwhile: not an engine on another node,
//! not one that gave it to clients in another way or reverted it, not a salvage that chose older data.
//!
//! **Invariant: a device that was left behind is served again only if no other engine can have had the volume since.** Each
//! start of an engine raises the volume's epoch by one, in the control record, and one engine has each epoch. So that is
//! known if the epoch noted here, before a device was started, is followed by the one of the engine that asks. Engines
//! that end before they serve anything carry the note on. Without a note, or with another one, the device is removed
//! ([`super::inherited`]).
//!
//! The note is a file of the volume's run directory: it has to outlive the engine, not the node, whose devices end with it.

use std::io;
use std::path::{Path, PathBuf};

use super::FrontendError;

const FILE: &str = "device-epoch";
const STAGING: &str = "device-epoch.new";

/// Why the volume can't be served with what was left behind.
#[derive(Debug, thiserror::Error)]
pub enum TenureError {
    #[error(
        "could not note in {} which engine has the block device: {source}; check the run directory and the room on its disk",
        path.display()
    )]
    Note { path: PathBuf, source: io::Error },
    #[error(
        "the ublk device that an engine which is gone left for volume {volume} could not be removed, and what it holds is older than the volume: see the engine's log, or restart the node"
    )]
    Lingers { volume: String },
}

/// To be called when an engine has been started, before it opens the volume: this one may still fail to, and must not
/// part the next one from the device. After a salvage there is nothing to go on with.
pub fn begin(runtime_dir: &Path, epoch: u64, salvage: bool) {
    let done = match noted(runtime_dir) {
        Some(_) if salvage => std::fs::remove_file(runtime_dir.join(FILE)),
        Some(last) if last.checked_add(1) == Some(epoch) => write(runtime_dir, epoch),
        _ => Ok(()),
    };
    if let Err(error) = done {
        tracing::warn!(%error, "a block device that was left behind may have to be removed");
    }
}

/// Whether this engine's epoch is the noted one or the next.
pub(super) fn continues(runtime_dir: &Path, epoch: u64) -> bool {
    noted(runtime_dir).is_some_and(|last| last == epoch || last.checked_add(1) == Some(epoch))
}

/// Whether any engine with this run directory has had a block device.
pub(super) fn is_noted(runtime_dir: &Path) -> bool {
    runtime_dir.join(FILE).exists()
}

/// To be called before a block device is started, and after those that may not go on are removed.
pub(super) fn note(runtime_dir: &Path, epoch: u64) -> Result<(), FrontendError> {
    let written = std::fs::create_dir_all(runtime_dir).and_then(|()| write(runtime_dir, epoch));
    Ok(written.map_err(|source| TenureError::Note { path: runtime_dir.join(FILE), source })?)
}

/// To be called when the block device has been stopped: nothing is left behind.
pub(super) fn end(runtime_dir: &Path) {
    if let Err(error) = std::fs::remove_file(runtime_dir.join(FILE)) {
        // The next engine finds no device, and so it does not matter what the note says.
        tracing::debug!(%error, "the note of the block device's engine stays");
    }
}

fn noted(runtime_dir: &Path) -> Option<u64> {
    std::fs::read_to_string(runtime_dir.join(FILE)).ok()?.trim_end().parse().ok()
}

/// In one step, for an engine that is killed meanwhile.
fn write(runtime_dir: &Path, epoch: u64) -> io::Result<()> {
    let staging = runtime_dir.join(STAGING);
    std::fs::write(&staging, format!("{epoch}\n"))?;
    std::fs::rename(staging, runtime_dir.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_epoch_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let runtime_dir = directory.path().join("volumes/vol");
        assert!(!continues(&runtime_dir, 5) && !is_noted(&runtime_dir), "nobody had a device");
        note(&runtime_dir, 5).unwrap();
        assert!(is_noted(&runtime_dir));
        let answers = [4, 5, 6, 7].map(|epoch| continues(&runtime_dir, epoch));
        assert_eq!(answers, [false, true, true, false], "at 7, one of 6 has been elsewhere");
        end(&runtime_dir);
        assert!(!continues(&runtime_dir, 6) && !is_noted(&runtime_dir));
    }

    #[test]
    fn an_engine_that_ended_early_is_no_stranger_and_a_salvage_is_the_end() {
        let directory = tempfile::tempdir().unwrap();
        begin(directory.path(), 1, false);
        assert!(!is_noted(directory.path()), "what nobody noted is not carried on");
        note(directory.path(), 5).unwrap();
        begin(directory.path(), 6, false);
        assert!(continues(directory.path(), 7));
        begin(directory.path(), 9, false);
        assert!(!continues(directory.path(), 9), "8 was elsewhere");
        begin(directory.path(), 7, true);
        assert!(!continues(directory.path(), 7) && !is_noted(directory.path()));
    }

    #[test]
    fn a_damaged_note_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), "5 or so").unwrap();
        assert!(!continues(directory.path(), 5));
        assert!(is_noted(directory.path()));
    }
}
