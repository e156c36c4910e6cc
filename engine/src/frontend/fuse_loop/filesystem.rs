//! A file system of one file: the volume.
//!
//! Requests come in on the session's thread and are answered by tokio tasks, so that many run at once. A write is
//! answered after the device acknowledged it, an fsync after the device flushed.

use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenAccMode, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use nix::libc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::disk::{AlignedBuf, BLOCK_SIZE};
use crate::frontend::{BlockDevice, Durability, IoError, IoErrorKind};

const FILE: INodeNo = INodeNo(2);
/// The kernel asks again each time: it costs nothing on the data path, and a grown volume shows at once.
const NO_CACHING: Duration = Duration::ZERO;
/// Largest write (and read) request; the loop driver's requests are at most this long on current kernels.
const MAX_REQUEST_BYTES: u32 = 1 << 20;
/// Requests in flight, here and in the kernel's background queue: what the loop driver itself lets in (`nr_requests`),
/// so at most 128 MiB of data.
const MAX_REQUESTS: u16 = 128;

pub(super) struct VolumeFile<D> {
    device: Arc<D>,
    runtime: Handle,
    name: OsString,
    slots: Arc<Semaphore>,
    started: SystemTime,
}

impl<D: BlockDevice> VolumeFile<D> {
    pub(super) fn new(device: Arc<D>, name: OsString, runtime: Handle) -> Self {
        let slots = Arc::new(Semaphore::new(usize::from(MAX_REQUESTS)));
        Self { device, runtime, name, slots, started: SystemTime::now() }
    }

    /// Runs `work` with the device; while too many requests are in flight, the session's thread waits here and the
    /// kernel holds back the rest. A task that can't run drops its reply, which tells the kernel `EIO`.
    fn spawn<F>(&self, work: impl FnOnce(Arc<D>) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let slots = Arc::clone(&self.slots);
        let Some(slot) = self.wait_for(slots) else {
            return;
        };
        let device = Arc::clone(&self.device);
        self.runtime.spawn(async move {
            work(device).await;
            drop(slot);
        });
    }

    fn wait_for(&self, slots: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => Some(slot),
            Err(_) => self.runtime.block_on(slots.acquire_owned()).ok(),
        }
    }

    fn attributes(&self, inode: INodeNo) -> Option<FileAttr> {
        let (kind, perm, size, nlink) = match inode {
            INodeNo::ROOT => (FileType::Directory, 0o700, 0, 2),
            FILE => (FileType::RegularFile, 0o600, self.device.size(), 1),
            _ => return None,
        };
        Some(FileAttr {
            ino: inode,
            size,
            blocks: size / 512,
            atime: self.started,
            mtime: self.started,
            ctime: self.started,
            crtime: self.started,
            kind,
            perm,
            nlink,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK_SIZE as u32,
            flags: 0,
        })
    }

    fn reply_attributes(&self, inode: INodeNo, reply: ReplyAttr) {
        match self.attributes(inode) {
            Some(attributes) => reply.attr(&NO_CACHING, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }
}

impl<D: BlockDevice> Filesystem for VolumeFile<D> {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Without it each request of the loop driver would wait for the one before.
        config.add_capabilities(InitFlags::FUSE_ASYNC_DIO).map_err(|_| {
            io::Error::new(io::ErrorKind::Unsupported, "this kernel's FUSE has no asynchronous direct I/O")
        })?;
        let refused =
            |nearest| io::Error::new(io::ErrorKind::InvalidInput, format!("FUSE limit refused, nearest {nearest}"));
        config.set_max_write(MAX_REQUEST_BYTES).map_err(refused)?;
        config.set_max_background(MAX_REQUESTS).map_err(|nearest| refused(u32::from(nearest)))?;
        config.set_congestion_threshold(MAX_REQUESTS).map_err(|nearest| refused(u32::from(nearest)))?;
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.attributes(FILE).filter(|_| parent == INodeNo::ROOT && name == self.name) {
            Some(attributes) => reply.entry(&NO_CACHING, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _request: &Request, inode: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        self.reply_attributes(inode, reply);
    }

    /// Times and owners are accepted and ignored; the size is the volume's.
    fn setattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if size.is_some_and(|size| size != self.device.size()) {
            reply.error(Errno::EPERM);
        } else {
            self.reply_attributes(inode, reply);
        }
    }

    fn open(&self, _request: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match (inode, flags.acc_mode()) {
            (FILE, OpenAccMode::O_RDONLY | OpenAccMode::O_WRONLY | OpenAccMode::O_RDWR) => {
                reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES);
            }
            _ => reply.error(Errno::EISDIR),
        }
    }

    fn read(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        // A file's read ends at its end; the device would refuse to go past it.
        let available = self.device.size().saturating_sub(offset);
        let length = size.min(u32::try_from(available).unwrap_or(u32::MAX));
        if length == 0 {
            return reply.data(&[]);
        }
        self.spawn(move |device| async move {
            match device.read(offset, length).await {
                Ok(data) if data.len() == length as usize => reply.data(&data),
                // A short answer would be read as the end of the file, so zeros in place of data.
                Ok(_) => reply.error(Errno::EIO),
                Err(error) => reply.error(errno(&error, Access::Read)),
            }
        });
    }

    fn write(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        if past_end(offset, data.len() as u64, self.device.size()) {
            return reply.error(Errno::ENOSPC);
        }
        let length = data.len() as u32;
        let data = AlignedBuf::copy_of(data);
        self.spawn(move |device| async move {
            match device.write(offset, data, Durability::Written).await {
                Ok(()) => reply.written(length),
                Err(error) => reply.error(errno(&error, Access::Write)),
            }
        });
    }

    /// Closing: whoever opened the file may rely on its data from here on.
    fn flush(&self, request: &Request, inode: INodeNo, handle: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        self.fsync(request, inode, handle, true, reply);
    }

    fn fsync(&self, _request: &Request, _inode: INodeNo, _handle: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        self.spawn(move |device| async move { answer(reply, device.flush().await) });
    }

    /// The loop driver punches a hole for discards and for zeroing that may unmap, and zeroes a range for zeroing
    /// that may not. A hole has to read as zeros, so neither is a mere discard of ours.
    fn fallocate(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let may_unmap = match mode & !libc::FALLOC_FL_KEEP_SIZE {
            libc::FALLOC_FL_PUNCH_HOLE => true,
            libc::FALLOC_FL_ZERO_RANGE => false,
            _ => return reply.error(Errno::EOPNOTSUPP),
        };
        if past_end(offset, length, self.device.size()) {
            return reply.error(Errno::ENOSPC);
        }
        self.spawn(move |device| async move {
            answer(reply, device.write_zeroes(offset, length, may_unmap, Durability::Written).await);
        });
    }

    fn readdir(&self, _request: &Request, inode: INodeNo, _handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        if inode != INodeNo::ROOT {
            return reply.error(Errno::ENOTDIR);
        }
        let entries = [
            (INodeNo::ROOT, FileType::Directory, OsStr::new(".")),
            (INodeNo::ROOT, FileType::Directory, OsStr::new("..")),
            (FILE, FileType::RegularFile, &self.name),
        ];
        for ((inode, kind, name), next) in entries.into_iter().zip(1u64..).skip(offset as usize) {
            if reply.add(inode, next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    /// The loop driver takes the block size as its discard granularity, so it is the replicas' block.
    fn statfs(&self, _request: &Request, _inode: INodeNo, reply: ReplyStatfs) {
        let block_bytes = BLOCK_SIZE as u32;
        reply.statfs(self.device.size() / BLOCK_SIZE, 0, 0, 1, 0, block_bytes, 255, block_bytes);
    }
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

fn past_end(offset: u64, length: u64, size: u64) -> bool {
    offset.checked_add(length).is_none_or(|end| end > size)
}

fn answer(reply: ReplyEmpty, result: Result<(), IoError>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(&error, Access::Write)),
    }
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
