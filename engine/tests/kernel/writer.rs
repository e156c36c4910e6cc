//! Somebody who writes to a file system all the time, and remembers what was synced.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::node::noise;
use crate::wait_for;

/// So many files there are; then they are written again.
const FILES: u64 = 32;
const FILE_BYTES: usize = 20_000;

/// Files that come one after another, each synced before the next.
pub(crate) struct Writer {
    at: PathBuf,
    stop: Arc<AtomicBool>,
    synced: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(crate) fn start(at: &Path) -> Self {
        let (stop, synced) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count, directory) = (Arc::clone(&stop), Arc::clone(&synced), at.to_owned());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                write(&directory, count.load(Ordering::Relaxed));
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { at: at.to_owned(), stop, synced, thread }
    }

    /// Waits until so many more files are synced than now.
    pub(crate) async fn go_on_for(&self, files: u64) {
        let goal = self.synced.load(Ordering::Relaxed) + files;
        let is_there = || {
            assert!(!self.thread.is_finished(), "the writer got an error");
            (self.synced.load(Ordering::Relaxed) >= goal).then_some(())
        };
        wait_for("more synced files", is_there).await;
    }

    /// Ends it. Fails if it got an error at any time.
    pub(crate) async fn end(self) -> Written {
        self.stop.store(true, Ordering::Relaxed);
        tokio::task::spawn_blocking(|| self.thread.join().expect("no error while it wrote")).await.unwrap();
        Written { at: self.at, files: self.synced.load(Ordering::Relaxed) }
    }
}

/// What was synced in the end.
pub(crate) struct Written {
    at: PathBuf,
    files: u64,
}

impl Written {
    pub(crate) fn assert_there(&self) {
        for number in self.files.saturating_sub(FILES)..self.files {
            let found = std::fs::read(path(&self.at, number)).unwrap();
            assert!(found == noise(number, FILE_BYTES), "synced file {number} of {} has other bytes", self.files);
        }
    }
}

fn path(at: &Path, number: u64) -> PathBuf {
    at.join(format!("busy-{}", number % FILES))
}

fn write(at: &Path, number: u64) {
    let path = path(at, number);
    std::fs::write(&path, noise(number, FILE_BYTES)).unwrap();
    std::fs::File::open(&path).unwrap().sync_all().unwrap();
}
