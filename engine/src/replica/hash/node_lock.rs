//! One hash at a time on a node: an flock that the replicas of a node share.
//!
//! A hash reads a whole file. Several at once would take the disks from the volumes that use them, however well each
//! is paced.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{HashControl, HashError};

/// How often a waiting hash tries again. The kernel would wake it, but could not be interrupted by a cancellation.
const TRY_INTERVAL: Duration = Duration::from_millis(250);

/// The lock file; without one a replica waits for nobody.
#[derive(Clone, Debug, Default)]
pub struct NodeLock(Option<PathBuf>);

/// The right to hash; ends with the value, and with the process.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "holds the lock until it is dropped")] Option<File>);

impl NodeLock {
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(Some(path.to_owned()))
    }

    /// Where a disk is laid out as Longhorn does (`<disk>/replicas/<directory>`), Longhorn's own lock of the default
    /// disk, `<disk>/.lock/hash`; elsewhere none.
    #[must_use]
    pub fn beside(replica_directory: &Path) -> Self {
        let replicas = replica_directory.parent().filter(|parent| parent.ends_with("replicas"));
        Self(replicas.and_then(Path::parent).map(|disk| disk.join(".lock/hash")))
    }

    /// Waits until no other process of the node hashes.
    pub(super) fn take(&self, snapshot: &str, control: &HashControl) -> Result<Held, HashError> {
        let Some((path, file)) = self.open()? else { return Ok(Held(None)) };
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Held(Some(file))),
                Err(TryLockError::WouldBlock) => control.pause(snapshot, TRY_INTERVAL)?,
                Err(TryLockError::Error(source)) => return Err(failed("take", path)(source)),
            }
        }
    }

    /// Whether some process of the node hashes now.
    ///
    /// # Errors
    /// [`HashError::Lock`].
    pub fn is_held(&self) -> Result<bool, HashError> {
        let Some((path, file)) = self.open()? else { return Ok(false) };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(failed("look at", path)(source)),
        }
    }

    fn open(&self) -> Result<Option<(&Path, File)>, HashError> {
        let Some(path) = self.0.as_deref() else { return Ok(None) };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed("make the directory of", path))?;
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        Ok(Some((path, file.map_err(failed("open", path))?)))
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> HashError {
    let path = path.to_owned();
    move |source| HashError::Lock { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_until_it_is_given_up_or_let_in() {
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        let lock = NodeLock::at(&root.path().join("new/hash"));
        let control = HashControl::default();
        assert!(!lock.is_held().unwrap());
        let first = lock.take("a", &control).unwrap();
        assert!(lock.is_held().unwrap());
        let given_up = HashControl::default();
        given_up.cancel("the test says so");
        let refused = lock.take("b", &given_up).unwrap_err().to_string();
        assert!(refused.contains("\"b\"") && refused.contains("the test says so"), "{refused}");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| lock.take("b", &control).map(drop));
            drop(first);
            second.join().unwrap().unwrap();
        });
        assert!(!lock.is_held().unwrap());
    }

    #[test]
    fn longhorns_own_lock_is_used_where_the_disk_is_laid_out_as_longhorns() {
        let beside = |path: &str| NodeLock::beside(Path::new(path)).0;
        assert_eq!(beside("/var/lib/longhorn/replicas/v-1"), Some("/var/lib/longhorn/.lock/hash".into()));
        assert_eq!(beside("/srv/v-1"), None);
    }
}
