//! Looks at disks, at most one at a time for each: a disk that hangs holds the thread that looks at it, and everybody
//! who asks again would hold one more.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Disk, DiskError, Make};

/// Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    /// Paths that are looked at: of disks, and of replicas that are to be started.
    running: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Looks {
    /// Looks at the disk at `path`. Blocks.
    ///
    /// # Errors
    /// [`DiskError::Hangs`] while another look at it has not ended, else those of [`super::inspect`].
    pub fn inspect(&self, path: &Path, make: Make) -> Result<Disk, DiskError> {
        let _look = self.begin(path)?;
        super::inspect(path, make)
    }

    /// Whether a replica's directory lies on the disk that it is to lie on. Blocks.
    ///
    /// # Errors
    /// [`DiskError::Hangs`] while another look for the same replica has not ended, else those of [`super::check_holder`].
    pub fn check_holder(&self, directory: &Path, disk_uuid: &str) -> Result<(), DiskError> {
        let _look = self.begin(directory)?;
        super::check_holder(directory, disk_uuid)
    }

    fn begin(&self, path: &Path) -> Result<Look, DiskError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.insert(path.to_owned()) {
            return Err(DiskError::Hangs(path.to_owned()));
        }
        Ok(Look { running: Arc::clone(&self.running), path: path.to_owned() })
    }
}

struct Look {
    running: Arc<Mutex<HashSet<PathBuf>>>,
    path: PathBuf,
}

impl Drop for Look {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_look_at_a_disk_that_hangs_is_refused() {
        let looks = Looks::default();
        let first = looks.begin(Path::new("/a")).unwrap();
        assert!(matches!(looks.begin(Path::new("/a")), Err(DiskError::Hangs(..))));
        looks.begin(Path::new("/b")).unwrap();
        assert!(matches!(looks.check_holder(Path::new("/a"), ""), Err(DiskError::Hangs(..))));
        looks.check_holder(Path::new("/a/replicas/r"), "").unwrap();
        drop(first);
        looks.begin(Path::new("/a")).unwrap();
    }
}
