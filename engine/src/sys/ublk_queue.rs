//! One queue of a device of the kernel's userspace block driver (`/dev/ublkc<id>`, `linux/ublk_cmd.h`).
//!
//! For each of its tags the driver holds a command of ours, and completes it when there is a request with that tag; what
//! the request asks is in memory that the driver shares ([`Descriptor`]). The answer is a command again, which the driver
//! then holds for the next request. All commands of a queue have to come from one thread.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use io_uring::{IoUring, opcode, squeue, types};
use nix::libc;
use nix::unistd::{SysconfVar, sysconf};

/// `_IOWR('u', 0x20, struct ublksrv_io_cmd)`, and with 0x21.
const FETCH: u32 = nix::request_code_readwrite!(b'u', 0x20, 16) as u32;
const COMMIT_AND_FETCH: u32 = nix::request_code_readwrite!(b'u', 0x21, 16) as u32;
/// `UBLK_MAX_QUEUE_DEPTH`: so many descriptors lie between the beginnings of those of two queues.
const DEPTH_MAXIMUM: usize = 4096;
/// Ticket of the descriptor that is watched; tags are below it.
const WATCH: u64 = 1 << 16;

/// `struct ublksrv_io_desc`: a request of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Descriptor {
    /// Bits 0..8: operation; above: flags.
    pub(crate) operation_and_flags: u32,
    pub(crate) sectors: u32,
    pub(crate) first_sector: u64,
    pub(crate) address: u64,
}

// The kernel's size: a wrong layout does not compile.
const _: () = assert!(size_of::<Descriptor>() == 24 && align_of::<Descriptor>() == 8);

/// What [`QueueRing::next`] tells.
#[derive(Debug)]
pub(crate) enum Event {
    /// There is a request with this tag.
    Request(u16),
    /// The driver does not hold a command for this tag any more: the device is stopped, or the command was wrong.
    Ended { tag: u16, error: io::Error },
    /// The watched descriptor is readable, and not watched any more.
    Readable,
}

/// The ring that a queue's commands go through. Stays on the thread that made it.
pub(crate) struct QueueRing {
    ring: IoUring,
    channel: Arc<File>,
    descriptors: Descriptors,
    queue: u16,
}

impl QueueRing {
    /// `channel` is the device's `/dev/ublkc<id>`.
    pub(crate) fn open(channel: Arc<File>, queue: u16, depth: u16) -> io::Result<Self> {
        // One place for each tag and one for the watch: the submission queue is never full.
        let places = (u32::from(depth) + 1).next_power_of_two();
        let ring = IoUring::builder().setup_coop_taskrun().setup_single_issuer().build(places)?;
        let descriptors = Descriptors::map(&channel, queue, depth)?;
        Ok(Self { ring, channel, descriptors, queue })
    }

    /// Gives the driver the first command of a tag.
    pub(crate) fn fetch(&mut self, tag: u16) -> io::Result<()> {
        self.command(FETCH, tag, 0)
    }

    /// Answers the request with this tag: with the number of bytes, or a negative error number.
    pub(crate) fn commit(&mut self, tag: u16, result: i32) -> io::Result<()> {
        self.command(COMMIT_AND_FETCH, tag, result)
    }

    /// Watches `readable` until there is something to read.
    pub(crate) fn watch(&mut self, readable: BorrowedFd<'_>) -> io::Result<()> {
        let descriptor = types::Fd(readable.as_raw_fd());
        self.push(&opcode::PollAdd::new(descriptor, libc::POLLIN as u32).build().user_data(WATCH))
    }

    /// What the request with this tag asks. It is valid from its [`Event::Request`] until it is answered.
    pub(crate) fn descriptor(&self, tag: u16) -> Option<Descriptor> {
        self.descriptors.read(tag)
    }

    /// Hands the driver what was put in.
    pub(crate) fn submit(&mut self) -> io::Result<()> {
        self.enter(0)
    }

    /// As [`QueueRing::submit`]; returns when there is an event, or nothing for a while: look again.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        self.enter(1)
    }

    /// The next event that has happened.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let entry = self.ring.completion().next()?;
        if entry.user_data() == WATCH {
            return Some(Event::Readable);
        }
        let tag = entry.user_data() as u16;
        Some(match entry.result() {
            result if result < 0 => Event::Ended { tag, error: io::Error::from_raw_os_error(-result) },
            _ => Event::Request(tag),
        })
    }

    fn command(&mut self, operation: u32, tag: u16, result: i32) -> io::Result<()> {
        let entry = opcode::UringCmd16::new(types::Fd(self.channel.as_raw_fd()), operation)
            .cmd(encode(self.queue, tag, result))
            .build();
        self.push(&entry.user_data(u64::from(tag)))
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: neither kind of entry points to memory of this process: with a copy by user (`UBLK_F_USER_COPY`) a
        // command has no address, and a poll has none at all. The kernel keeps the files of both open by itself once it
        // has taken the entry; until then `channel` does, and for the poll the worst that a closed descriptor can do is
        // that another one is polled.
        unsafe { self.ring.submission().push(entry) }.map_err(|_| io::ErrorKind::ResourceBusy.into())
    }

    fn enter(&mut self, want: usize) -> io::Result<()> {
        match self.ring.submit_and_wait(want) {
            Ok(_) => Ok(()),
            // Interrupted, or the kernel wants its completions read first: the caller does that and comes again.
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR | libc::EAGAIN | libc::EBUSY) => Ok(()),
                _ => Err(error),
            },
        }
    }
}

/// `struct ublksrv_io_cmd`: queue (bytes 0..2), tag (2..4), result (4..8), no address (8..16).
fn encode(queue: u16, tag: u16, result: i32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0..2].copy_from_slice(&queue.to_ne_bytes());
    bytes[2..4].copy_from_slice(&tag.to_ne_bytes());
    bytes[4..8].copy_from_slice(&result.to_ne_bytes());
    bytes
}

/// The driver's descriptors of one queue, mapped for reading.
struct Descriptors {
    first: NonNull<Descriptor>,
    depth: u16,
    bytes: usize,
}

impl Descriptors {
    fn map(channel: &File, queue: u16, depth: u16) -> io::Result<Self> {
        let page = sysconf(SysconfVar::PAGE_SIZE)?.and_then(|size| usize::try_from(size).ok()).unwrap_or(4096);
        let bytes = (usize::from(depth) * size_of::<Descriptor>()).next_multiple_of(page);
        let distance = (DEPTH_MAXIMUM * size_of::<Descriptor>()).next_multiple_of(page);
        let offset = libc::off_t::try_from(usize::from(queue) * distance).map_err(io::Error::other)?;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that there is; the descriptor is
        // open because `channel` is borrowed.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ, flags, channel.as_raw_fd(), offset) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let first = NonNull::new(address.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { first, depth, bytes })
    }

    fn read(&self, tag: u16) -> Option<Descriptor> {
        if tag >= self.depth {
            return None;
        }
        // SAFETY: the mapping holds `depth` descriptors, page-aligned, and lives as long as `self`; any bits are a
        // `Descriptor`. The driver writes one before it completes the tag's command and not again before the tag is
        // answered; were it otherwise, the volatile read would yield mixed numbers, which callers check.
        Some(unsafe { self.first.add(usize::from(tag)).read_volatile() })
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone and nothing refers to it: `read` copies.
        unsafe { libc::munmap(self.first.as_ptr().cast(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn the_layouts_are_those_of_the_kernels_header() {
        assert_eq!(offset_of!(Descriptor, operation_and_flags), 0);
        assert_eq!(offset_of!(Descriptor, sectors), 4);
        assert_eq!(offset_of!(Descriptor, first_sector), 8);
        assert_eq!(offset_of!(Descriptor, address), 16);
        assert_eq!((FETCH, COMMIT_AND_FETCH), (0xc010_7520, 0xc010_7521));
        let command = encode(1, 2, -5);
        assert_eq!(command[..2], 1_u16.to_ne_bytes());
        assert_eq!(command[2..4], 2_u16.to_ne_bytes());
        assert_eq!(command[4..8], (-5_i32).to_ne_bytes());
        assert_eq!(command[8..], [0; 8]);
    }
}
