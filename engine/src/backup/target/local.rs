//! Objects as files below a directory.
//!
//! Invariants:
//! - **Whole or not at all.** A file under its own name has all its bytes, on stable storage: they are written under
//!   another name, synced, and renamed; then the directory is synced, and so is every directory made on the way.
//! - **Leftovers do no harm.** What a crash leaves has a name that no listing shows and no reader asks for. It goes away
//!   with its directory.
//! - **Never beside the share.** Where the directory is a mounted share, nothing is written when that was unmounted:
//!   it would land on this machine's disk and look like a backup.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind as IoKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use nix::libc;
use time::OffsetDateTime;

use super::fault::{ErrorKind, StoreError};
use super::objects::explained;
use super::share::Share;
use super::silence::Silence;
use crate::backup::store::{Entry, Listing};

/// Between the name of a file and a number, in the name of one that is being written. Longhorn's are the same.
const TEMPORARY: &str = ".tmp.";
/// Directories that somebody removes while we write into them are made again this often.
const ATTEMPTS: usize = 5;
/// Files that are read or written in one go. After each piece of a larger one it is known that the server is still there.
const PIECE: usize = 4 << 20;
/// Empty directories above a removed file go too, up to this one.
const TOP: &str = "backupstore";

/// The file access below one directory. Every call blocks; see `blocking`.
#[derive(Clone)]
pub(crate) struct Directory {
    root: PathBuf,
    /// The file system that the root was on when it was opened.
    device: u64,
    /// What is mounted there.
    share: Option<Share>,
    /// Hears of the parts of a large file or directory.
    silence: Silence,
}

impl Directory {
    /// `root` has to be there: a directory that is made here would hide a disk that is not mounted or a wrong URL.
    pub(crate) fn open(root: &Path, share: Option<Share>, silence: Silence) -> Result<Self, StoreError> {
        let shown = root.display().to_string();
        match fs::metadata(root) {
            Ok(facts) if facts.is_dir() => Ok(Self { root: root.to_owned(), device: facts.dev(), share, silence }),
            Ok(_) => Err(StoreError::new(ErrorKind::NoBucket, "open", shown, "it is not a directory")),
            Err(error) if error.kind() == IoKind::NotFound => {
                Err(StoreError::new(ErrorKind::NoBucket, "open", shown, "the directory does not exist"))
            }
            Err(error) => Err(told(share.as_ref(), "open", &shown, &error)),
        }
    }

    pub(crate) fn read(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        let read = || -> io::Result<Option<Bytes>> {
            let file = File::open(self.root.join(path))?;
            let facts = file.metadata()?;
            if !facts.is_file() {
                return Err(io::Error::from_raw_os_error(libc::ENOENT));
            }
            if facts.len() > limit {
                return Ok(None);
            }
            let mut data = Vec::with_capacity(usize::try_from(facts.len()).unwrap_or_default());
            // It may grow meanwhile, when it is somebody else's.
            let mut rest = (&file).take(limit.saturating_add(1));
            while (&mut rest).take(PIECE as u64).read_to_end(&mut data)? == PIECE {
                self.silence.heard_answer();
            }
            Ok((data.len() as u64 <= limit).then(|| data.into()))
        };
        match read() {
            Ok(Some(data)) => Ok(data),
            Ok(None) => Err(too_large(path, limit)),
            Err(error) => Err(self.error("get", path, &error)),
        }
    }

    pub(crate) fn write(&self, path: &str, data: &[u8]) -> Result<(), StoreError> {
        let file = self.root.join(path);
        let parent = file.parent().unwrap_or(&self.root);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let result = self.is_mounted().and_then(|()| make_directories(&self.root, parent));
            match result.and_then(|()| replace(parent, &file, data, &self.silence)) {
                Ok(()) => return Ok(()),
                // Another one removed the directory because it was empty.
                Err(error) if error.kind() == IoKind::NotFound && attempts < ATTEMPTS => {}
                Err(error) => return Err(self.error("put", path, &error)),
            }
        }
    }

    pub(crate) fn facts(&self, path: &str) -> Result<Option<Entry>, StoreError> {
        match fs::metadata(self.root.join(path)) {
            Ok(facts) if facts.is_file() => Ok(entry(path.rsplit('/').next().unwrap_or(path).to_owned(), &facts)),
            Ok(_) => Ok(None),
            Err(error) if is_missing(&error) => self.still_there("look up", path).map(|()| None),
            Err(error) => Err(self.error("look up", path, &error)),
        }
    }

    pub(crate) fn list(&self, directory: &str) -> Result<Listing, StoreError> {
        let list = || -> io::Result<Listing> {
            let mut listing = Listing::default();
            for found in fs::read_dir(self.root.join(directory))? {
                let found = found?;
                // Names that are no text are not ours.
                let Ok(name) = found.file_name().into_string() else { continue };
                let facts = match fs::metadata(found.path()) {
                    Ok(facts) => facts,
                    Err(error) if is_missing(&error) => continue,
                    Err(error) => return Err(error),
                };
                self.silence.heard_answer();
                if facts.is_dir() {
                    listing.directories.push(name);
                } else if facts.is_file() && !is_temporary(&name) {
                    listing.files.extend(entry(name, &facts));
                }
            }
            listing.directories.sort_unstable();
            listing.files.sort_unstable_by(|one, other| one.name.cmp(&other.name));
            Ok(listing)
        };
        match list() {
            Ok(listing) => Ok(listing),
            Err(error) if is_missing(&error) => self.still_there("list", directory).map(|()| Listing::default()),
            Err(error) => Err(self.error("list", directory, &error)),
        }
    }

    pub(crate) fn remove(&self, path: &str) -> Result<(), StoreError> {
        match fs::remove_file(self.root.join(path)) {
            Ok(()) => self.remove_empty_parents(path),
            Err(error) if is_missing(&error) => return self.still_there("remove", path),
            Err(error) => return Err(self.error("remove", path, &error)),
        }
        Ok(())
    }

    pub(crate) fn remove_all(&self, directory: &str) -> Result<(), StoreError> {
        match fs::remove_dir_all(self.root.join(directory)) {
            Ok(()) => self.remove_empty_parents(directory),
            Err(error) if is_missing(&error) => return self.still_there("remove", directory),
            Err(error) => return Err(self.error("remove", directory, &error)),
        }
        Ok(())
    }

    /// A directory that is not empty stays, whatever the reason; so nothing here is an error.
    fn remove_empty_parents(&self, path: &str) {
        let mut path = Path::new(path);
        while let Some(parent) = path.parent() {
            if parent == Path::new(TOP) || parent == Path::new("") || fs::remove_dir(self.root.join(parent)).is_err() {
                return;
            }
            path = parent;
        }
    }

    /// "Not there" is an answer only as long as the target itself is.
    fn still_there(&self, verb: &'static str, path: &str) -> Result<(), StoreError> {
        self.is_mounted().map_err(|error| self.error(verb, path, &error))
    }

    /// Stale is what the kernel says of a share that the server took away.
    fn is_mounted(&self) -> io::Result<()> {
        match fs::metadata(&self.root) {
            Ok(facts) if facts.dev() == self.device => Ok(()),
            Ok(_) => Err(io::Error::from_raw_os_error(libc::ESTALE)),
            Err(error) if error.kind() == IoKind::NotFound => Err(io::Error::from_raw_os_error(libc::ESTALE)),
            Err(error) => Err(error),
        }
    }

    fn error(&self, verb: &'static str, path: &str, error: &io::Error) -> StoreError {
        if error.raw_os_error() == Some(libc::ESTALE) {
            let why = format!("{} was removed or unmounted since it was opened", self.root.display());
            return StoreError::new(ErrorKind::Mount, verb, path, why)
                .with_next_step("check that the disk or the server is there; the next attempt opens it again");
        }
        told(self.share.as_ref(), verb, path, error)
    }
}

/// The failure of a system call on a file, of a share or of this machine.
fn told(share: Option<&Share>, verb: &'static str, path: &str, error: &io::Error) -> StoreError {
    match share.and_then(|share| share.explain_io(error)) {
        Some(failure) => explained(verb, path, &failure),
        None => StoreError::io(verb, path, error),
    }
}

pub(crate) fn too_large(path: &str, limit: u64) -> StoreError {
    let why = format!("it is larger than the {limit} bytes that such an object can have");
    StoreError::new(ErrorKind::Damaged, "get", path, why)
}

/// A part of the path that is a file leads nowhere either.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), IoKind::NotFound | IoKind::NotADirectory)
}

/// Whether a file of this name is, or was, being written; or was removed, and an NFS client has it open.
fn is_temporary(name: &str) -> bool {
    if let Some(number) = name.strip_prefix(".nfs") {
        return number.len() == 24 && number.bytes().all(|digit| digit.is_ascii_hexdigit());
    }
    name.rsplit_once(TEMPORARY)
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

fn entry(name: String, facts: &fs::Metadata) -> Option<Entry> {
    let modified = OffsetDateTime::from(facts.modified().ok()?);
    // A file that was replaced is another inode, even within one tick of the file system's clock.
    let version = format!("{:x}-{:x}-{:x}", facts.ino(), facts.len(), modified.unix_timestamp_nanos());
    Some(Entry { name, size: facts.len(), modified, version: Some(version) })
}

/// Makes `directory` and what is missing between it and `root`, and the names durable.
fn make_directories(root: &Path, directory: &Path) -> io::Result<()> {
    if directory == root || directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().unwrap_or(root);
    make_directories(root, parent)?;
    match DirBuilder::new().mode(0o755).create(directory) {
        Ok(()) => sync_directory(parent),
        // Somebody else was faster, and may not have synced it yet.
        Err(error) if error.kind() == IoKind::AlreadyExists => sync_directory(parent),
        Err(error) => Err(error),
    }
}

fn replace(parent: &Path, file: &Path, data: &[u8], silence: &Silence) -> io::Result<()> {
    let (temporary, written) = create_temporary(file)?;
    let result = write_out(&written, data, silence).and_then(|()| written.sync_all());
    // Before it is removed: NFS keeps a file that is open for a while, under yet another name.
    drop(written);
    let result = result.and_then(|()| fs::rename(&temporary, file)).and_then(|()| sync_directory(parent));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Writes all pieces, and syncs all but the last one: what is written to memory tells nothing of the server.
fn write_out(mut file: &File, data: &[u8], silence: &Silence) -> io::Result<()> {
    let mut pieces = data.chunks(PIECE).peekable();
    while let Some(piece) = pieces.next() {
        file.write_all(piece)?;
        if pieces.peek().is_some() {
            file.sync_data()?;
            silence.heard_answer();
        }
    }
    Ok(())
}

fn create_temporary(file: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let number = now.wrapping_add(u128::from(COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut name = file.as_os_str().to_owned();
        name.push(format!("{TEMPORARY}{number}"));
        let temporary = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(created) => return Ok((temporary, created)),
            Err(error) if error.kind() == IoKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Some network file systems can't sync a directory: they ask the server for every name anyway.
fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EBADF)) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
