//! The file an export writes: `<output>.part`, which becomes `<output>` when it is complete and durable.
//!
//! Invariant: under the final name there is nothing, or what was there before, or a complete image. A crash leaves at
//! most the temporary file, which the next export to the same name takes over.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::libc;

use super::ExportError;
use crate::crash_point;
use crate::disk::DiskError;

/// Ends the temporary name.
const PART: &str = ".part";

/// What to do with a file that has the final name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Refuse,
    Replace,
}

/// An open temporary file. Dropped before [`PartFile::publish`] succeeded, it is removed.
#[derive(Debug)]
pub(super) struct PartFile {
    file: File,
    part: PathBuf,
    output: PathBuf,
    existing: Existing,
    written: u64,
    published: bool,
}

impl PartFile {
    pub(super) fn create(output: &Path, existing: Existing) -> Result<Self, ExportError> {
        let name = output.file_name().ok_or_else(|| ExportError::NoName { path: output.to_path_buf() })?;
        check_target(output, existing)?;
        let mut part_name = OsString::from(name);
        part_name.push(PART);
        let part = output.with_file_name(part_name);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&part)
            .map_err(DiskError::at("create", &part))?;
        if !file.metadata().map_err(DiskError::at("look at", &part))?.is_file() {
            return Err(ExportError::NotAFile { path: part });
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ExportError::InUse { path: output.to_path_buf() }),
            Err(TryLockError::Error(error)) => return Err(DiskError::at("lock", &part)(error).into()),
        }
        // What a crash left.
        file.set_len(0).map_err(DiskError::at("empty", &part))?;
        Ok(Self { file, part, output: output.to_path_buf(), existing, written: 0, published: false })
    }

    pub(super) fn set_length(&self, length: u64) -> Result<(), DiskError> {
        self.file.set_len(length).map_err(DiskError::at("set the size of", &self.part))
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        self.file.write_all_at(data, offset).map_err(DiskError::at("write", &self.part))?;
        self.written += data.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Makes the file durable, then gives it its final name, durably.
    pub(super) fn publish(mut self) -> Result<(), ExportError> {
        crash_point::reached("export.written");
        self.file.sync_all().map_err(DiskError::at("sync", &self.part))?;
        crash_point::reached("export.synced");
        self.rename()?;
        self.published = true;
        crash_point::reached("export.renamed");
        let parent = self.output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|handle| handle.sync_all()).map_err(DiskError::at("sync", parent))?;
        Ok(())
    }

    fn rename(&self) -> Result<(), ExportError> {
        let failed = |error: io::Error| ExportError::from(DiskError::at("rename into place", &self.part)(error));
        if self.existing == Existing::Replace {
            return std::fs::rename(&self.part, &self.output).map_err(failed);
        }
        // A file may have got the name since the export began.
        match renameat2(AT_FDCWD, &self.part, AT_FDCWD, &self.output, RenameFlags::RENAME_NOREPLACE) {
            Ok(()) => Ok(()),
            Err(Errno::EEXIST) => Err(ExportError::Exists { path: self.output.clone() }),
            // Some network file systems cannot do that in one step.
            Err(Errno::EINVAL | Errno::ENOSYS) => {
                check_target(&self.output, self.existing)?;
                std::fs::rename(&self.part, &self.output).map_err(failed)
            }
            Err(error) => Err(failed(error.into())),
        }
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        if let Err(error) = std::fs::remove_file(&self.part) {
            tracing::warn!(file = %self.part.display(), %error, "cannot remove the unfinished image; remove it by hand");
        }
    }
}

/// Only a regular file may be replaced, and only when that was asked for.
fn check_target(output: &Path, existing: Existing) -> Result<(), ExportError> {
    match std::fs::symlink_metadata(output) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(DiskError::at("look at", output)(error).into()),
        Ok(facts) if !facts.is_file() => Err(ExportError::NotAFile { path: output.to_path_buf() }),
        Ok(_) if existing == Existing::Replace => Ok(()),
        Ok(_) => Err(ExportError::Exists { path: output.to_path_buf() }),
    }
}
