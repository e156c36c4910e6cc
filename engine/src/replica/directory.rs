//! The replica's directory: taken by one process at a time, its small files replaced atomically and durably.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::error::ReplicaError;
use super::names;
use super::replace::ReplaceError;
use super::sums::DirectorySums;
use crate::crash_point;
use crate::disk::{BLOCK_SIZE, DiskError, fault};

/// A directory this process owns or looks at: an flock on it is held until the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// The open directory: what holds the lock, and what is synced after names changed.
    handle: File,
    /// Where blocks of its images are known by checksums.
    sums: Option<DirectorySums>,
}

impl Directory {
    /// Makes the directory (mode 0700) if it is missing, durably.
    pub(crate) fn make(path: &Path) -> Result<(), ReplicaError> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(DiskError::at("create the directory", path)(error).into()),
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(parent).and_then(|handle| handle.sync_all());
        Ok(synced.map_err(DiskError::at("sync", parent))?)
    }

    /// Takes the directory for this process.
    pub(crate) fn take(path: &Path) -> Result<Self, ReplicaError> {
        let handle = File::open(path).map_err(DiskError::at("open the directory", path))?;
        match handle.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), handle, sums: None }),
            Err(TryLockError::WouldBlock) => Err(ReplicaError::InUse { dir: path.to_path_buf() }),
            Err(TryLockError::Error(error)) => Err(DiskError::at("lock the directory", path)(error).into()),
        }
    }

    /// Keeps owners out while this process looks at the directory, which it must not change. Others may look too.
    pub(crate) fn look(path: &Path) -> Result<Self, ReplicaError> {
        let handle = File::open(path).map_err(DiskError::at("open the directory", path))?;
        match handle.try_lock_shared() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), handle, sums: None }),
            Err(TryLockError::WouldBlock) => Err(ReplicaError::InUse { dir: path.to_path_buf() }),
            Err(TryLockError::Error(error)) => Err(DiskError::at("lock the directory", path)(error).into()),
        }
    }

    /// From here on images are opened with checksums.
    pub(super) fn keep_sums(&mut self) {
        self.sums = Some(DirectorySums::default());
    }

    pub(super) fn sums(&self) -> Option<&DirectorySums> {
        self.sums.as_ref()
    }

    /// Lets another process have the directory.
    pub(crate) fn release(&self) -> Result<(), ReplicaError> {
        Ok(self.handle.unlock().map_err(DiskError::at("unlock the directory", &self.path))?)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file system with larger blocks would give storage to neighbours of what is written, and they would hide
    /// older data.
    pub(crate) fn check_block_size(&self) -> Result<(), ReplicaError> {
        let facts = nix::sys::statvfs::fstatvfs(&self.handle)
            .map_err(|error| DiskError::at("ask for the file system of", &self.path)(error.into()))?;
        let block = facts.fragment_size() as u64;
        if block > BLOCK_SIZE {
            return Err(ReplicaError::Unsupported {
                what: format!("the file system under {}", self.path.display()),
                why: format!(
                    "its blocks have {block} bytes and at most {BLOCK_SIZE} are possible; make it with 4 KiB blocks"
                ),
            });
        }
        Ok(())
    }

    /// Makes created, linked, renamed and removed names durable.
    pub(crate) fn sync(&self) -> Result<(), ReplicaError> {
        Ok(self.handle.sync_all().map_err(DiskError::at("sync the directory", &self.path))?)
    }

    /// Names of all files, sorted. Names that are not UTF-8 are not the replica's and are left out.
    pub(crate) fn list(&self) -> Result<Vec<String>, ReplicaError> {
        let failed = || DiskError::at("list the directory", &self.path);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed())? {
            names.extend(entry.map_err(failed())?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    /// A small file's content; `None` if there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ReplicaError> {
        let path = self.file(name);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DiskError::at("read", &path)(error).into()),
        }
    }

    /// Replaces a small file. After success, and after any crash, it holds either the old or the new content;
    /// after success the new one is durable.
    pub(crate) fn replace(&self, name: &str, content: &[u8], mode: u32) -> Result<(), ReplaceError> {
        self.prepare(name, content, mode)?.commit()
    }

    /// Gives a file a second name. The change is durable after [`Directory::sync`].
    pub(crate) fn link(&self, from: &str, to: &str) -> Result<(), ReplicaError> {
        let target = self.file(to);
        let linked = fault::check("make the hard link", &target).and_then(|()| fs::hard_link(self.file(from), &target));
        Ok(linked.map_err(DiskError::at("make the hard link", &target))?)
    }

    /// Puts the file `from` in the place of `to`, which it replaces if it is there, durably.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), ReplaceError> {
        let (path, target) = (self.file(from), self.file(to));
        let replaced = self.image_with_last_name(to);
        let renamed = fault::check("rename into place", &target).and_then(|()| fs::rename(&path, &target));
        if let Err(error) = renamed {
            let was_there = error.kind() != io::ErrorKind::NotFound;
            let error = DiskError::at("rename into place", &path)(error).into();
            // A file that still has its old name did not get the new one.
            let still_there = matches!(self.identity(from), Ok(Some(_)));
            return Err(if was_there && !still_there {
                ReplaceError::Unknown(error)
            } else {
                ReplaceError::NotReplaced(error)
            });
        }
        crash_point::reached("replace.renamed");
        fault::check("sync the new name of", &target)
            .map_err(|error| DiskError::at("sync the new name of", &target)(error).into())
            .and_then(|()| self.sync())
            .map_err(ReplaceError::Unknown)?;
        replaced.inspect(|facts| self.forget_image(facts));
        Ok(())
    }

    /// The image that goes with this name.
    fn image_with_last_name(&self, name: &str) -> Option<fs::Metadata> {
        let facts = || fs::symlink_metadata(self.file(name)).ok();
        if names::is_image_name(name) { facts().filter(|facts| facts.is_file() && facts.nlink() == 1) } else { None }
    }

    /// Removes a name; says whether it was there. The change is durable after [`Directory::sync`].
    pub(crate) fn remove(&self, name: &str) -> Result<bool, ReplicaError> {
        let path = self.file(name);
        let image = self.image_with_last_name(name);
        match fault::check("remove", &path).and_then(|()| fs::remove_file(&path)) {
            Ok(()) => {
                image.inspect(|facts| self.forget_image(facts));
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(DiskError::at("remove", &path)(error).into()),
        }
    }

    /// Removes an image with what belongs to it. The metadata goes first: an image without metadata is no layer,
    /// while metadata without an image would be a broken one.
    pub(crate) fn remove_layer(&self, image: &str) -> Result<(), ReplicaError> {
        for name in [names::meta_of(image), names::checksum_of(image), image.to_owned()] {
            self.remove(&name)?;
            crash_point::reached("remove-layer.file-removed");
        }
        Ok(())
    }

    /// What tells two names of one file from two files; `None` if there is no such file.
    pub(crate) fn identity(&self, name: &str) -> Result<Option<FileIdentity>, ReplicaError> {
        let path = self.file(name);
        match fs::symlink_metadata(&path) {
            Ok(facts) => Ok(Some(FileIdentity {
                device: facts.dev(),
                inode: facts.ino(),
                names: facts.nlink(),
                allocated_bytes: facts.blocks() * STAT_BLOCK,
                is_regular: facts.is_file(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DiskError::at("look at", &path)(error).into()),
        }
    }
}

impl Drop for Directory {
    /// Closing the handle is not enough: a child that another thread is just forking has a copy of it until its
    /// exec, and the lock would live as long.
    fn drop(&mut self) {
        // Nothing can be done about a failure, and the end of the process lets go in any case.
        let _ = self.handle.unlock();
    }
}

/// Unit of `st_blocks`, in bytes.
pub(crate) const STAT_BLOCK: u64 = 512;

#[derive(Clone, Copy, Debug)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    /// How many names the file has.
    pub(crate) names: u64,
    pub(crate) allocated_bytes: u64,
    /// Not a directory, a symbolic link or something else that no image is.
    pub(crate) is_regular: bool,
}

impl FileIdentity {
    pub(crate) fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether these are the facts of the same file.
    pub(crate) fn is_file(&self, facts: &fs::Metadata) -> bool {
        (self.device, self.inode) == (facts.dev(), facts.ino())
    }
}
