//! Serving the kernel's requests on the engine's own thread.
//!
//! One task takes the messages that are there, without waiting for any, and starts a task for each that needs the device;
//! when there are none left, these tasks run, and what they send to replicas leaves together. Nothing wakes another
//! thread on the way. Answers go to the kernel from the task that has them.

use std::fs::File;
use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Semaphore;

use super::answer::{Agreement, Limits, agree};
use super::filesystem::VolumeFile;
use super::message::Message;
use super::reply::Reply;
use super::request::{Header, Request, Work};
use crate::disk::AlignedBuf;
use crate::frontend::BlockDevice;
use crate::sys::readiness;

/// Largest write (and read) request; the loop driver's requests are seldom longer.
pub(super) const MAX_REQUEST_BYTES: u32 = 1 << 20;
/// Requests with the device, and in the kernel's background queue: what the loop driver itself lets in (`nr_requests`). All
/// its reads and writes go through that queue, so at most 128 MiB of data are here.
const MAX_REQUESTS: u16 = 128;
const LIMITS: Limits = Limits { request_bytes: MAX_REQUEST_BYTES, requests: MAX_REQUESTS };

/// The end of a mount is told as an error alone.
const INTEREST: Interest = Interest::READABLE.add(Interest::ERROR);

pub(super) struct Server<D> {
    kernel: AsyncFd<Arc<File>>,
    message: Message,
    file: Arc<VolumeFile<D>>,
    slots: Arc<Semaphore>,
}

impl<D: BlockDevice> Server<D> {
    /// `kernel` is `/dev/fuse`, opened so that reads do not wait. Needs a tokio runtime.
    pub(super) fn new(kernel: File, file: VolumeFile<D>) -> io::Result<Self> {
        let kernel = readiness::of(Arc::new(kernel), INTEREST)?;
        Ok(Self {
            kernel,
            message: Message::with_room_for(MAX_REQUEST_BYTES),
            file: Arc::new(file),
            slots: Arc::new(Semaphore::new(usize::from(MAX_REQUESTS))),
        })
    }

    /// Agrees with the kernel on version and limits; it asks nothing before.
    pub(super) async fn greet(&mut self) -> io::Result<()> {
        while let Some(header) = self.next().await? {
            let reply = Reply::new(self.kernel.get_ref(), header.number);
            let Ok(Request::Init(greeting)) = Request::decode(header, self.message.arguments(header)) else {
                reply.failed(Errno::EIO);
                continue;
            };
            match agree(greeting, LIMITS) {
                Agreement::Agreed(body) => {
                    reply.with(&body);
                    return Ok(());
                }
                Agreement::SpeakOlder(body) => reply.with(&body),
                Agreement::TooOld => {
                    reply.failed(Errno::EPROTO);
                    let told = format!("it speaks {}.{}, flags {:#x}", greeting.major, greeting.minor, greeting.flags);
                    return Err(io::Error::new(io::ErrorKind::Unsupported, told));
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it was unmounted at once"))
    }

    pub(super) fn device(&self) -> Arc<D> {
        self.file.device()
    }

    /// Serves until the file system is unmounted and nobody has anything of it open.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        while let Some(header) = self.next().await? {
            let reply = Reply::new(self.kernel.get_ref(), header.number);
            match self.sort(header) {
                Ok(Sorted::ForDevice(work, data)) => self.start(work, data, reply),
                Ok(Sorted::Told(body)) => reply.with(&body),
                Ok(Sorted::Heard) => reply.without(),
                Err(error) => reply.failed(error),
            }
        }
        Ok(())
    }

    /// Waits for a message; `None`: there will be no more.
    async fn next(&mut self) -> io::Result<Option<Header>> {
        loop {
            let mut ready = self.kernel.ready(INTEREST).await?;
            let message = &mut self.message;
            match ready.try_io(|kernel| message.receive(kernel.get_ref())) {
                Ok(Ok(())) => {
                    let header = self.message.header();
                    return header
                        .map(Some)
                        .ok_or_else(|| io::Error::other("what the kernel's FUSE sent is no message"));
                }
                Ok(Err(error)) => match error.raw_os_error().map(Errno::from_raw) {
                    // Whoever asked went away before it was read.
                    Some(Errno::ENOENT | Errno::EINTR) => {}
                    Some(Errno::ENODEV) => return Ok(None),
                    _ => return Err(error),
                },
                Err(_nothing_there) => {}
            }
        }
    }

    fn sort(&mut self, header: Header) -> Result<Sorted, Errno> {
        match Request::decode(header, self.message.arguments(header))? {
            Request::Question(question) => self.file.tell(header.inode, question).map(Sorted::Told),
            Request::Work(work) => {
                let data = match work {
                    Work::Write { length, .. } => self.message.take_data(length).ok_or(Errno::EIO)?,
                    Work::Read { length, .. } if length > MAX_REQUEST_BYTES => return Err(Errno::EINVAL),
                    Work::Read { .. } | Work::Flush | Work::Allocate { .. } => AlignedBuf::default(),
                };
                Ok(Sorted::ForDevice(work, data))
            }
            Request::Forget => Ok(Sorted::Heard),
            // Agreed on long ago.
            Request::Init(_) => Err(Errno::EIO),
        }
    }

    /// A request waits in its own task while too many are with the device: the kernel counts reads and writes alone, and
    /// questions about the file are answered whatever the device does. A task that can't run to its end drops its reply,
    /// which tells the kernel `EIO`.
    fn start(&self, work: Work, data: AlignedBuf, reply: Reply) {
        let (file, slots) = (Arc::clone(&self.file), Arc::clone(&self.slots));
        tokio::spawn(async move {
            let Ok(slot) = slots.acquire_owned().await else { return };
            file.carry_out(work, data, reply).await;
            drop(slot);
        });
    }
}

/// What becomes of a message.
enum Sorted {
    ForDevice(Work, AlignedBuf),
    Told(Vec<u8>),
    /// It gets no answer.
    Heard,
}

#[cfg(test)]
mod tests;
