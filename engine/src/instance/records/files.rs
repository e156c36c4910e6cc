//! Control records as one small synced file per volume.
//!
//! Invariant: one change at a time on the whole machine (an flock on a file beside it), and one that was answered survives a
//! power cut.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aurochs_api::ids::VolumeName;
use nix::fcntl::{Flock, FlockArg};
use tonic::async_trait;

use super::{Records, judge};
use crate::crash_point;
use crate::volume::record::{Epoch, Generation, KeeperError, Record};

/// The directory with the records; several instance managers of one machine share it.
#[derive(Clone, Debug)]
pub struct RecordFiles {
    directory: PathBuf,
}

impl RecordFiles {
    /// Makes the directory when it is missing.
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// The record of a volume, `None` when there is none.
    pub fn get(&self, volume: &str) -> Result<Option<Record>, KeeperError> {
        let path = self.path(volume)?;
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unavailable("read", &path, &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            KeeperError::Unavailable(format!(
                "the control record {} is damaged ({error}); it says which replicas hold all data, so put it back from \
                 a copy before the volume is attached",
                path.display()
            ))
        })
    }

    /// See [`Records::compare_and_set`].
    pub fn compare_and_set(&self, epoch: Epoch, generation: Generation, next: &Record) -> Result<Record, KeeperError> {
        let path = self.path(&next.volume)?;
        let _one_at_a_time = self.lock(&next.volume)?;
        let next = judge(self.get(&next.volume)?, epoch, generation, next)?;
        self.replace(&path, &next).map_err(|error| unavailable("write", &path, &error))?;
        Ok(next)
    }

    /// Forgets a volume. A missing record succeeds.
    pub fn delete(&self, volume: &str) -> Result<(), KeeperError> {
        let path = self.path(volume)?;
        let _one_at_a_time = self.lock(volume)?;
        let removed = match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
        // The lock file goes too; whoever waits for it sees that and takes the next one.
        let _ = fs::remove_file(self.lock_path(volume));
        removed.map_err(|error| unavailable("delete", &path, &error))
    }

    fn replace(&self, path: &Path, next: &Record) -> io::Result<()> {
        let temporary = path.with_extension("json.tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(next)?)?;
        file.sync_all()?;
        crash_point::reached("record.written");
        fs::rename(&temporary, path)?;
        crash_point::reached("record.renamed");
        File::open(&self.directory)?.sync_all()
    }

    fn lock(&self, volume: &str) -> Result<Flock<File>, KeeperError> {
        let path = self.lock_path(volume);
        loop {
            let file = File::create(&path).map_err(|error| unavailable("lock", &path, &error))?;
            let locked = Flock::lock(file, FlockArg::LockExclusive)
                .map_err(|(_, errno)| unavailable("lock", &path, &errno.into()))?;
            let held = locked.metadata().map_err(|error| unavailable("lock", &path, &error))?;
            // A delete took the file away while we waited for it: others lock the one that came after.
            if held.nlink() > 0 {
                return Ok(locked);
            }
        }
    }

    fn path(&self, volume: &str) -> Result<PathBuf, KeeperError> {
        // The name becomes a file name, whoever sent it.
        let name: VolumeName = volume.parse().map_err(|error| KeeperError::Unavailable(format!("{error}")))?;
        Ok(self.directory.join(format!("{name}.json")))
    }

    fn lock_path(&self, volume: &str) -> PathBuf {
        self.directory.join(format!("{volume}.lock"))
    }
}

#[async_trait]
impl Records for RecordFiles {
    async fn get(&self, volume: &str) -> Result<Option<Record>, KeeperError> {
        let (files, volume) = (self.clone(), volume.to_owned());
        on_a_thread(move || files.get(&volume)).await
    }

    async fn compare_and_set(
        &self,
        epoch: Epoch,
        generation: Generation,
        next: &Record,
    ) -> Result<Record, KeeperError> {
        let (files, next) = (self.clone(), next.clone());
        on_a_thread(move || files.compare_and_set(epoch, generation, &next)).await
    }

    async fn delete(&self, volume: &str) -> Result<(), KeeperError> {
        let (files, volume) = (self.clone(), volume.to_owned());
        on_a_thread(move || files.delete(&volume)).await
    }

    fn word(&self) -> &'static str {
        "files"
    }
}

/// A disk may be slow; it must not hold the runtime's threads.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeeperError> + Send + 'static,
) -> Result<T, KeeperError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(KeeperError::Unavailable(format!("the work on it broke off: {error}"))))
}

fn unavailable(what: &str, path: &Path, error: &io::Error) -> KeeperError {
    KeeperError::Unavailable(format!("cannot {what} the control record {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u64, generation: u64) -> Record {
        Record {
            volume: "v".into(),
            epoch: Epoch(epoch),
            generation: Generation(generation),
            members: ["v-r-1".to_owned()].into(),
            ..Record::default()
        }
    }

    #[test]
    fn only_the_one_who_saw_the_last_change_may_make_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let files = RecordFiles::open(directory.path()).unwrap();
        assert_eq!(files.get("v").unwrap(), None);
        files.compare_and_set(Epoch(0), Generation(0), &record(1, 1)).unwrap();
        assert!(files.compare_and_set(Epoch(0), Generation(0), &record(1, 1)).is_err(), "there is one now");
        files.compare_and_set(Epoch(1), Generation(1), &record(2, 1)).unwrap();
        let stale = files.compare_and_set(Epoch(1), Generation(1), &record(1, 2)).unwrap_err();
        assert!(matches!(stale, KeeperError::Conflict { found: Epoch(2), .. }), "{stale}");
        let found = files.get("v").unwrap().unwrap();
        assert_eq!(Record { incarnation: String::new(), ..found }, record(2, 1));
        files.delete("v").unwrap();
        files.delete("v").unwrap();
        assert_eq!(files.get("v").unwrap(), None);
    }

    #[test]
    fn a_volume_made_anew_under_a_name_is_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let files = RecordFiles::open(directory.path()).unwrap();
        let first = files.compare_and_set(Epoch(0), Generation(0), &record(1, 1)).unwrap();
        assert!(!first.incarnation.is_empty());
        assert_eq!(files.get("v").unwrap().as_ref(), Some(&first));
        for claimed in ["", "claimed"] {
            let epoch = files.get("v").unwrap().unwrap().epoch;
            let next = Record { incarnation: claimed.to_owned(), ..record(epoch.0 + 1, 1) };
            let now = files.compare_and_set(epoch, Generation(1), &next).unwrap();
            assert_eq!(now.incarnation, first.incarnation, "whatever a caller says");
        }
        files.delete("v").unwrap();
        let again = files.compare_and_set(Epoch(0), Generation(0), &first).unwrap();
        assert_ne!(again.incarnation, first.incarnation);
    }

    #[test]
    fn nonsense_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let files = RecordFiles::open(directory.path()).unwrap();
        let without_members = Record { members: Default::default(), ..record(1, 1) };
        assert!(files.compare_and_set(Epoch(0), Generation(0), &without_members).is_err());
        assert!(files.get("../etc/passwd").is_err());
        fs::write(directory.path().join("v.json"), "{").unwrap();
        let message = files.get("v").unwrap_err().to_string();
        assert!(message.contains("damaged"), "{message}");
    }

    #[test]
    fn of_many_at_once_exactly_one_wins() {
        let directory = tempfile::tempdir().unwrap();
        let files = RecordFiles::open(directory.path()).unwrap();
        let attempts: Vec<_> = (0..8)
            .map(|_| {
                let files = files.clone();
                std::thread::spawn(move || files.compare_and_set(Epoch(0), Generation(0), &record(1, 1)).is_ok())
            })
            .collect();
        let wins = attempts.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count();
        assert_eq!(wins, 1);
    }
}
