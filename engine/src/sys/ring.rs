//! Reads, writes and syncs of files through io_uring: many in flight, one system call for a batch of them.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use io_uring::{IoUring, opcode, squeue, types};
use smallvec::SmallVec;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::disk::AlignedBuf;

/// Places of the submission queue. More requests wait in memory until the kernel has taken these.
const ENTRIES: u32 = 256;

/// How long a ring that is dropped waits for what is in flight. Afterwards its memory and files are kept for ever.
const DRAIN: Duration = Duration::from_secs(10);
const DRAIN_STEP: Duration = Duration::from_millis(100);

/// What a transfer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Read,
    Write,
    /// Makes durable what was written to the parts' files before it began: all of it, wherever in the file. Nothing is
    /// moved, and a part's place is empty.
    SyncData,
}

/// One range of one file, and where in the buffer its bytes are.
#[derive(Clone, Debug)]
pub struct Part<F> {
    pub file: Arc<F>,
    pub file_offset: u64,
    /// Bytes within the buffer's whole blocks.
    pub place: Range<usize>,
}

/// The parts of one transfer; most have one.
pub type Parts<F> = SmallVec<[Part<F>; 1]>;

/// A transfer that has ended.
#[derive(Debug)]
pub struct Finished<F, T> {
    pub ticket: T,
    pub buffer: AlignedBuf,
    pub parts: Parts<F>,
    /// Some part failed or moved less than all of its bytes; what of the transfer was done is not known.
    pub outcome: io::Result<()>,
}

struct Transfer<F, T> {
    ticket: T,
    buffer: AlignedBuf,
    parts: Parts<F>,
    left: usize,
    outcome: io::Result<()>,
}

/// A ring whose transfers own their buffers while the kernel uses them.
pub struct Ring<F, T> {
    ring: IoUring,
    transfers: Vec<Option<Transfer<F, T>>>,
    free: Vec<u32>,
    /// Not yet in the submission queue.
    waiting: VecDeque<squeue::Entry>,
    /// Put into the submission queue since the last submission.
    unsubmitted: usize,
    /// Put into the submission queue and not seen as completed.
    in_kernel: usize,
}

/// What a submission came to, in parts of transfers.
#[derive(Clone, Copy, Debug)]
pub struct Submitted {
    pub taken: usize,
    /// Not taken yet: too many are in flight, or the kernel is short of memory.
    pub left: usize,
    /// In flight: their completions will be told.
    pub in_kernel: usize,
}

impl<F, T> Ring<F, T> {
    /// # Errors
    /// The kernel has no io_uring, or this process may not use it.
    pub fn new() -> io::Result<Self> {
        // Completions are noticed when this thread enters the kernel anyway, instead of interrupting it.
        let ring = IoUring::builder().setup_coop_taskrun().build(ENTRIES)?;
        Ok(Self {
            ring,
            transfers: Vec::new(),
            free: Vec::new(),
            waiting: VecDeque::new(),
            unsubmitted: 0,
            in_kernel: 0,
        })
    }

    /// Ready while finished transfers wait to be looked at. Needs a tokio runtime.
    pub fn readiness(&self) -> io::Result<AsyncFd<OwnedFd>> {
        // SAFETY: the ring is open as long as `self`, which outlives this call.
        let descriptor = unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }.try_clone_to_owned()?;
        // SAFETY: an `OwnedFd` keeps its descriptor open, and the same, until it is dropped.
        Ok(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?)
    }

    /// Starts a transfer; the kernel gets it with the next [`Ring::submit`]. A part whose place lies outside the buffer
    /// fails the transfer.
    pub fn start(&mut self, action: Action, parts: Parts<F>, buffer: AlignedBuf, ticket: T)
    where
        F: AsRef<File>,
    {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.transfers.push(None);
            (self.transfers.len() - 1) as u32
        });
        let transfer = Transfer { ticket, buffer, left: parts.len(), parts, outcome: Ok(()) };
        let transfer = self.transfers[slot as usize].insert(transfer);
        let memory = transfer.buffer.padded_mut();
        for (number, part) in transfer.parts.iter().enumerate() {
            let user_data = u64::from(slot) << 32 | number as u64;
            let entry = match memory.get_mut(part.place.clone()) {
                Some(memory) => entry(action, (*part.file).as_ref(), part.file_offset, memory),
                None => {
                    transfer.outcome = Err(io::ErrorKind::InvalidInput.into());
                    opcode::Nop::new().build()
                }
            };
            self.waiting.push_back(entry.user_data(user_data));
        }
    }

    /// Hands started transfers to the kernel, as many as it takes now.
    pub fn submit(&mut self) -> io::Result<Submitted> {
        let mut taken = 0;
        loop {
            self.fill_submission_queue();
            if self.unsubmitted == 0 {
                break;
            }
            match self.ring.submit() {
                Ok(count) => {
                    self.unsubmitted -= count.min(self.unsubmitted);
                    taken += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Short of memory.
                Err(error) if matches!(error.raw_os_error(), Some(nix::libc::EAGAIN | nix::libc::EBUSY)) => break,
                Err(error) => return Err(error),
            }
        }
        let left = self.unsubmitted + self.waiting.len();
        Ok(Submitted { taken, left, in_kernel: self.in_kernel - self.unsubmitted })
    }

    /// Never more than there are places for completions: those that the kernel has no place for it keeps to itself, and
    /// tells nobody of them.
    fn fill_submission_queue(&mut self) {
        let places = self.ring.params().cq_entries() as usize;
        let mut queue = self.ring.submission();
        while self.in_kernel < places
            && let Some(entry) = self.waiting.front()
        {
            // SAFETY: the entry points into the buffer of a transfer that stays in `transfers`, untouched and unmoved (a
            // `Vec`'s heap memory), until the kernel has answered for each of its parts; the descriptor stays open
            // through the `Arc` next to it. A ring that is dropped earlier leaks both.
            if unsafe { queue.push(entry) }.is_err() {
                break;
            }
            self.waiting.pop_front();
            self.unsubmitted += 1;
            self.in_kernel += 1;
        }
    }

    /// The next transfer that has ended.
    pub fn finished(&mut self) -> Option<Finished<F, T>> {
        loop {
            let (user_data, result) = {
                let entry = self.ring.completion().next()?;
                (entry.user_data(), entry.result())
            };
            self.in_kernel -= 1;
            if let Some(finished) = self.part_ended(user_data, result) {
                return Some(finished);
            }
        }
    }

    /// Takes down how a part ended; the transfer, if it was its last one.
    fn part_ended(&mut self, user_data: u64, result: i32) -> Option<Finished<F, T>> {
        let slot = (user_data >> 32) as usize;
        let number = (user_data & u64::from(u32::MAX)) as usize;
        let transfer = self.transfers.get_mut(slot)?.as_mut()?;
        let expected = transfer.parts.get(number).map_or(0, |part| part.place.len());
        if result < 0 {
            transfer.outcome = Err(io::Error::from_raw_os_error(-result));
        } else if result as usize != expected && transfer.outcome.is_ok() {
            transfer.outcome = Err(io::ErrorKind::UnexpectedEof.into());
        }
        transfer.left -= 1;
        if transfer.left > 0 {
            return None;
        }
        let Transfer { ticket, buffer, parts, outcome, .. } = self.transfers[slot].take()?;
        self.free.push(slot as u32);
        Some(Finished { ticket, buffer, parts, outcome })
    }

    /// Waits until the kernel is done with everything it was given, but not for ever: a disk may hang.
    fn drain(&mut self) {
        while let Some(entry) = self.waiting.pop_front() {
            // The kernel never saw it.
            self.part_ended(entry.get_user_data(), -nix::libc::ECANCELED);
        }
        let begin = Instant::now();
        while self.transfers.iter().any(Option::is_some) && begin.elapsed() < DRAIN {
            let pause = types::Timespec::from(DRAIN_STEP);
            // An error is a timeout or an interruption: look again.
            let _ = self.ring.submitter().submit_with_args(1, &types::SubmitArgs::new().timespec(&pause));
            while self.finished().is_some() {}
        }
    }
}

/// A request of the kernel for one part.
fn entry(action: Action, file: &File, offset: u64, memory: &mut [u8]) -> squeue::Entry {
    let descriptor = types::Fd(file.as_raw_fd());
    // Buffers are bounded by the link's frames, far below 4 GiB.
    let (at, length) = (memory.as_mut_ptr(), memory.len() as u32);
    match action {
        Action::Read => opcode::Read::new(descriptor, at, length).offset(offset).build(),
        Action::Write => opcode::Write::new(descriptor, at, length).offset(offset).build(),
        Action::SyncData => opcode::Fsync::new(descriptor).flags(types::FsyncFlags::DATASYNC).build(),
    }
}

impl<F, T> Drop for Ring<F, T> {
    fn drop(&mut self) {
        self.drain();
        for transfer in self.transfers.drain(..).flatten() {
            // The kernel may still write into the buffer, or read from it, and what the ticket keeps is not free yet.
            std::mem::forget(transfer);
        }
    }
}
