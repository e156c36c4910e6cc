//! What replicas need of a file system, tried with a file that has no name and is gone when it is closed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;

use super::REPLICAS;
use super::filesystem::Filesystem;
use crate::disk::{AlignedBuf, BLOCK_SIZE};
use crate::sys::fiemap;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ability {
    /// Files can be opened with `O_DIRECT`; images are opened in no other way.
    pub direct_io: bool,
    /// Files tell where they have data (FIEMAP), without which no image can be read.
    pub extent_map: bool,
    /// Why no file can be written; empty when one can, or when the disk is only full.
    pub write_error: String,
}

pub(super) fn of(disk: &Path, filesystem: &Filesystem) -> Ability {
    if filesystem.read_only {
        let write_error = "the file system is mounted read-only".to_owned();
        // Not known, and not what is wrong.
        return Ability { direct_io: true, extent_map: true, write_error };
    }
    let directory = Some(disk.join(REPLICAS)).filter(|directory| directory.is_dir());
    let directory = directory.as_deref().unwrap_or(disk);
    match nameless(directory, libc::O_DIRECT) {
        Ok(file) => tried(&file, true),
        // EINVAL is the kernel's word for "no direct I/O here".
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => match nameless(directory, 0) {
            Ok(file) => tried(&file, false),
            Err(error) => failed(&error, false),
        },
        Err(error) => failed(&error, true),
    }
}

fn tried(file: &File, direct_io: bool) -> Ability {
    let block = AlignedBuf::zeroed(BLOCK_SIZE as usize);
    match file.write_all_at(&block, 0) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) && direct_io => failed_direct(),
        Err(error) if !is_full(&error) => failed(&error, direct_io),
        // A full disk is full, and not broken.
        _ => Ability { direct_io, extent_map: has_extent_map(file), write_error: String::new() },
    }
}

/// Anything but "there is no such call" comes from the disk, and a write tells it better.
fn has_extent_map(file: &File) -> bool {
    match fiemap::batch(file, 0, BLOCK_SIZE) {
        Ok(_) => true,
        Err(error) => {
            let missing = [Errno::EOPNOTSUPP, Errno::ENOTTY, Errno::EINVAL].map(|errno| Some(errno as i32));
            !missing.contains(&error.raw_os_error())
        }
    }
}

/// A block of direct I/O must be larger than ours: the same as none.
fn failed_direct() -> Ability {
    Ability { direct_io: false, extent_map: true, write_error: String::new() }
}

fn failed(error: &io::Error, direct_io: bool) -> Ability {
    let write_error = if is_full(error) { String::new() } else { error.to_string() };
    Ability { direct_io, extent_map: true, write_error }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

/// A file that no directory lists; where the file system has no such files, one whose name goes at once.
fn nameless(directory: &Path, flags: i32) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().custom_flags(libc::O_TMPFILE | flags).open(directory) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
            let path = directory.join(format!(".aurochs-{}.tmp", uuid::Uuid::new_v4()));
            let file = options.create_new(true).custom_flags(flags).open(&path);
            // Where the flags are refused, the name is there all the same.
            let _ = fs::remove_file(&path);
            file
        }
        result => result,
    }
}
