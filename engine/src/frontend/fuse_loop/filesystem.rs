//! A file system of one file: the volume.
//!
//! What asks about the file is answered at once; what asks for its data, by the device: a write after the device
//! acknowledged it, an fsync after the device flushed.

use std::sync::Arc;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::libc;

use super::answer::{self, Attributes, Kind};
use super::reply::Reply;
use super::request::{Question, Work, Zeroing};
use crate::disk::AlignedBuf;
use crate::frontend::{BlockDevice, Durability, IoError, IoErrorKind};

const ROOT: u64 = 1;
const FILE: u64 = 2;

pub(super) struct VolumeFile<D> {
    device: Arc<D>,
    name: String,
    started: SystemTime,
}

impl<D: BlockDevice> VolumeFile<D> {
    pub(super) fn new(device: Arc<D>, name: &str) -> Self {
        Self { device, name: name.to_owned(), started: SystemTime::now() }
    }

    pub(super) fn device(&self) -> Arc<D> {
        Arc::clone(&self.device)
    }

    fn attributes(&self, inode: u64) -> Result<Attributes, Errno> {
        let (kind, size) = match inode {
            ROOT => (Kind::Directory, 0),
            FILE => (Kind::File, self.device.size()),
            _ => return Err(Errno::ENOENT),
        };
        Ok(Attributes { inode, kind, size, time: self.started })
    }

    /// # Errors
    /// What the kernel is told in place of an answer.
    pub(super) fn tell(&self, inode: u64, question: Question<'_>) -> Result<Vec<u8>, Errno> {
        match question {
            Question::Lookup { name } if inode == ROOT && name == self.name.as_bytes() => {
                self.attributes(FILE).map(answer::entry)
            }
            Question::Lookup { .. } => Err(Errno::ENOENT),
            Question::GetAttributes => self.attributes(inode).map(answer::attributes),
            // The size is the volume's.
            Question::SetAttributes { size: Some(size) } if size != self.device.size() => Err(Errno::EPERM),
            // Times and owners are accepted and ignored.
            Question::SetAttributes { .. } => self.attributes(inode).map(answer::attributes),
            Question::Open { flags } if inode == FILE && flags & libc::O_ACCMODE != libc::O_ACCMODE => {
                Ok(answer::opened_file().to_vec())
            }
            Question::Open { .. } => Err(Errno::EISDIR),
            Question::OpenDirectory => Ok(answer::opened_directory().to_vec()),
            Question::ReadDirectory { from, most_bytes } if inode == ROOT => {
                let (here, above, file) = (&b"."[..], &b".."[..], self.name.as_bytes());
                let entries = [(ROOT, Kind::Directory, here), (ROOT, Kind::Directory, above), (FILE, Kind::File, file)];
                Ok(answer::directory(&entries, from, most_bytes))
            }
            Question::ReadDirectory { .. } => Err(Errno::ENOTDIR),
            Question::Statistics => Ok(answer::statistics(self.device.size())),
            Question::Farewell => Ok(Vec::new()),
        }
    }

    /// `data` is what a write writes.
    pub(super) async fn carry_out(&self, work: Work, data: AlignedBuf, reply: Reply) {
        match work {
            Work::Read { offset, length } => self.read(offset, length, reply).await,
            Work::Write { offset, .. } => self.write(offset, data, reply).await,
            Work::Flush => reply.result(self.device.flush().await.map_err(|error| errno(&error, Access::Write))),
            Work::Allocate { offset, length, mode } => reply.result(self.allocate(offset, length, mode).await),
        }
    }

    /// Reads at most to the end of the file; the device would refuse to go past it.
    async fn read(&self, offset: u64, length: u32, reply: Reply) {
        let available = self.device.size().saturating_sub(offset);
        let length = length.min(u32::try_from(available).unwrap_or(u32::MAX));
        if length == 0 {
            return reply.done();
        }
        match self.device.read(offset, length).await {
            Ok(data) if data.len() == length as usize => reply.with(&data),
            // A short answer would be read as the end of the file, so zeros in place of data.
            Ok(_) => reply.failed(Errno::EIO),
            Err(error) => reply.failed(errno(&error, Access::Read)),
        }
    }

    async fn write(&self, offset: u64, data: AlignedBuf, reply: Reply) {
        // No message is as long as 4 GiB.
        let length = data.len() as u32;
        if self.ends_before(offset, length.into()) {
            return reply.failed(Errno::ENOSPC);
        }
        match self.device.write(offset, data, Durability::Written).await {
            Ok(()) => reply.written(length),
            Err(error) => reply.failed(errno(&error, Access::Write)),
        }
    }

    async fn allocate(&self, offset: u64, length: u64, mode: i32) -> Result<(), Errno> {
        let may_unmap = Zeroing::of_mode(mode)? == Zeroing::MayUnmap;
        if self.ends_before(offset, length) {
            return Err(Errno::ENOSPC);
        }
        let zeroed = self.device.write_zeroes(offset, length, may_unmap, Durability::Written).await;
        zeroed.map_err(|error| errno(&error, Access::Write))
    }

    /// Whether the file ends before this range does.
    fn ends_before(&self, offset: u64, length: u64) -> bool {
        offset.checked_add(length).is_none_or(|end| end > self.device.size())
    }
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

/// What the kernel is told; the text goes to the log, since the kernel has no place for it.
fn errno(error: &IoError, access: Access) -> Errno {
    tracing::debug!(%error, "a request of the block device failed");
    match (error.kind, access) {
        (IoErrorKind::OutOfRange, Access::Read) => Errno::EINVAL,
        (IoErrorKind::OutOfRange, Access::Write) | (IoErrorKind::NoSpace, _) => Errno::ENOSPC,
        (IoErrorKind::Io | IoErrorKind::Fenced, _) => Errno::EIO,
        (IoErrorKind::Shutdown, _) => Errno::ESHUTDOWN,
    }
}
