//! What the kernel's FUSE is told.
//!
//! | header, bytes | |
//! |---|---|
//! | 0..4 | length of the answer, header included |
//! | 4..8 | 0, or a negative error number: then nothing follows |
//! | 8..16 | number of the request |
//!
//! Every structure is written in the order of its fields in `linux/fuse.h`; the tests know their sizes.

use std::time::{Duration, SystemTime};

use bytes::BufMut;
use nix::errno::Errno;
use nix::libc;

use super::request::Greeting;
use crate::disk::BLOCK_SIZE;

pub(super) const HEADER_BYTES: usize = 16;

/// Version of the protocol that is spoken. What came after 7.31 is of no use here.
const MAJOR: u32 = 7;
const MINOR: u32 = 31;
/// Linux 4.20, the first with requests of more than 128 KiB.
const MINOR_MINIMUM: u32 = 28;

mod flag {
    pub(super) const ASYNC_READ: u32 = 1 << 0;
    pub(super) const BIG_WRITES: u32 = 1 << 5;
    /// Without it each request of the loop driver would wait for the one before.
    pub(super) const ASYNC_DIO: u32 = 1 << 15;
    pub(super) const MAX_PAGES: u32 = 1 << 22;
}

/// The file is read and written past the page cache, and writes to it run side by side.
const DIRECT_IO: u32 = 1 << 0;
const PARALLEL_DIRECT_WRITES: u32 = 1 << 6;

/// Granularity of times: a nanosecond.
const TIME_GRANULARITY_NANOSECONDS: u32 = 1;
/// The kernel counts pages of this many bytes or more.
const PAGE_BYTES: u32 = 4096;

/// How much the kernel may ask for at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) request_bytes: u32,
    /// Asynchronous requests that the kernel hands out before one is answered.
    pub(super) requests: u16,
}

pub(super) fn header(number: u64, body_bytes: usize, error: Option<Errno>) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    // Bodies are at most one request long.
    let length = (HEADER_BYTES + body_bytes) as u32;
    let error = error.map_or(0, |error| -(error as i32));
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..8].copy_from_slice(&error.to_ne_bytes());
    bytes[8..].copy_from_slice(&number.to_ne_bytes());
    bytes
}

/// How a greeting is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// `fuse_init_out`; requests follow.
    Agreed(Vec<u8>),
    /// The kernel is newer and greets again, in this version.
    SpeakOlder(Vec<u8>),
    /// The kernel is too old.
    TooOld,
}

pub(super) fn agree(greeting: Greeting, limits: Limits) -> Agreement {
    let wanted = flag::ASYNC_READ | flag::BIG_WRITES | flag::ASYNC_DIO | flag::MAX_PAGES;
    if greeting.major > MAJOR {
        return Agreement::SpeakOlder(greeting_back(0, greeting, limits));
    }
    if (greeting.major, greeting.minor) < (MAJOR, MINOR_MINIMUM) || greeting.flags & wanted != wanted {
        return Agreement::TooOld;
    }
    Agreement::Agreed(greeting_back(wanted, greeting, limits))
}

/// `fuse_init_out`
fn greeting_back(flags: u32, greeting: Greeting, limits: Limits) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    for number in [MAJOR, MINOR.min(greeting.minor), greeting.max_readahead, flags] {
        body.put_u32_ne(number);
    }
    // The number of background requests, and the one from which on the kernel calls the device congested.
    body.put_u16_ne(limits.requests);
    body.put_u16_ne(limits.requests);
    body.put_u32_ne(limits.request_bytes);
    body.put_u32_ne(TIME_GRANULARITY_NANOSECONDS);
    body.put_u16_ne(u16::try_from(limits.request_bytes / PAGE_BYTES).unwrap_or(u16::MAX));
    body.resize(64, 0);
    body
}

/// What is told of an inode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    pub(super) inode: u64,
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) time: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
}

impl Kind {
    fn mode(self) -> u32 {
        match self {
            Self::Directory => libc::S_IFDIR | 0o700,
            Self::File => libc::S_IFREG | 0o600,
        }
    }

    fn links(self) -> u32 {
        match self {
            Self::Directory => 2,
            Self::File => 1,
        }
    }
}

/// `fuse_attr`
fn put_attributes(body: &mut Vec<u8>, attributes: Attributes) {
    let Attributes { inode, kind, size, time } = attributes;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    for number in [inode, size, size / 512] {
        body.put_u64_ne(number);
    }
    // Last read, written, changed.
    for _ in 0..3 {
        body.put_u64_ne(since.as_secs());
    }
    for _ in 0..3 {
        body.put_u32_ne(since.subsec_nanos());
    }
    // Mode, links, owner, group, device number, best size, flags.
    for number in [kind.mode(), kind.links(), 0, 0, 0, BLOCK_SIZE as u32, 0] {
        body.put_u32_ne(number);
    }
}

/// `fuse_attr_out`. The kernel keeps nothing of it: that costs nothing on the way of data, and a grown volume shows at
/// once.
pub(super) fn attributes(attributes: Attributes) -> Vec<u8> {
    let mut body = vec![0; 16];
    put_attributes(&mut body, attributes);
    body
}

/// `fuse_entry_out`; nothing of it is kept either.
pub(super) fn entry(attributes: Attributes) -> Vec<u8> {
    let mut body = Vec::with_capacity(128);
    body.put_u64_ne(attributes.inode);
    // Generation, and how long name and attributes are valid.
    body.resize(40, 0);
    put_attributes(&mut body, attributes);
    body
}

/// `fuse_open_out` of the file.
pub(super) fn opened_file() -> [u8; 16] {
    opened(DIRECT_IO | PARALLEL_DIRECT_WRITES)
}

/// `fuse_open_out` of the directory.
pub(super) fn opened_directory() -> [u8; 16] {
    opened(0)
}

fn opened(flags: u32) -> [u8; 16] {
    // The file handle before it is of no use.
    let mut body = [0; 16];
    body[8..12].copy_from_slice(&flags.to_ne_bytes());
    body
}

/// `fuse_write_out`
pub(super) fn written(length: u32) -> [u8; 8] {
    let mut body = [0; 8];
    body[..4].copy_from_slice(&length.to_ne_bytes());
    body
}

/// `fuse_statfs_out`. The loop driver takes the block size as its discard granularity, so it is the replicas' block.
pub(super) fn statistics(size: u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(80);
    // Blocks: all, free, free for all; files: all, free.
    for number in [size / BLOCK_SIZE, 0, 0, 1, 0] {
        body.put_u64_ne(number);
    }
    for number in [BLOCK_SIZE as u32, 255, BLOCK_SIZE as u32] {
        body.put_u32_ne(number);
    }
    body.resize(80, 0);
    body
}

/// Entries of a directory, `fuse_dirent` each, as many from number `from` on as fit into `most_bytes`.
pub(super) fn directory(entries: &[(u64, Kind, &[u8])], from: u64, most_bytes: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for (&(inode, kind, name), next) in entries.iter().zip(1_u64..).filter(|&(_, next)| next > from) {
        let length = (24 + name.len()).next_multiple_of(8);
        if body.len() + length > most_bytes as usize {
            break;
        }
        let end = body.len() + length;
        body.put_u64_ne(inode);
        body.put_u64_ne(next);
        body.put_u32_ne(name.len() as u32);
        // The type as directories have it: the upper bits of the mode.
        body.put_u32_ne(kind.mode() >> 12);
        body.put_slice(name);
        body.resize(end, 0);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { request_bytes: 1 << 20, requests: 128 };
    const FLAGS: u32 = flag::ASYNC_READ | flag::BIG_WRITES | flag::ASYNC_DIO | flag::MAX_PAGES;

    fn greeting(major: u32, minor: u32, flags: u32) -> Greeting {
        Greeting { major, minor, max_readahead: 131_072, flags }
    }

    fn file() -> Attributes {
        let time = SystemTime::UNIX_EPOCH + Duration::new(5, 6);
        Attributes { inode: 2, kind: Kind::File, size: 1 << 20, time }
    }

    fn word(body: &[u8], at: usize) -> u32 {
        u32::from_ne_bytes(body[at..at + 4].try_into().unwrap())
    }

    fn long_word(body: &[u8], at: usize) -> u64 {
        u64::from_ne_bytes(body[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn the_sizes_are_those_of_the_kernels_header() {
        assert_eq!(attributes(file()).len(), 104);
        assert_eq!(entry(file()).len(), 128);
        assert_eq!(statistics(1 << 20).len(), 80);
        let Agreement::Agreed(body) = agree(greeting(7, 45, u32::MAX), LIMITS) else { panic!("refused") };
        assert_eq!(body.len(), 64);
    }

    #[test]
    fn numbers_are_where_the_kernel_looks_for_them() {
        let failed = header(9, 0, Some(Errno::EIO));
        assert_eq!((word(&failed, 0), word(&failed, 4) as i32, long_word(&failed, 8)), (16, -5, 9));
        assert_eq!(word(&header(9, 8, None), 0), 24);

        let body = entry(file());
        assert_eq!((long_word(&body, 0), long_word(&body, 40), long_word(&body, 48)), (2, 2, 1 << 20));
        let body = attributes(file());
        assert_eq!((long_word(&body, 16), long_word(&body, 40), word(&body, 64)), (2, 5, 6));
        assert_eq!((word(&body, 76), word(&body, 80), word(&body, 96)), (0o100_600, 1, 4096));
        assert_eq!(word(&opened_file(), 8), 0b100_0001);
        assert_eq!(word(&written(4096), 0), 4096);
        let body = statistics(1 << 20);
        assert_eq!((long_word(&body, 0), word(&body, 40), word(&body, 48)), (256, 4096, 4096));
    }

    #[test]
    fn kernels_are_met_in_their_version() {
        let Agreement::Agreed(body) = agree(greeting(7, 28, FLAGS), LIMITS) else { panic!("refused") };
        assert_eq!((word(&body, 0), word(&body, 4), word(&body, 12)), (7, 28, FLAGS));
        assert_eq!(body[16..20], [128, 0, 128, 0]);
        assert_eq!((word(&body, 20), body[28..30].to_vec()), (1 << 20, 256_u16.to_ne_bytes().to_vec()));
        let Agreement::Agreed(body) = agree(greeting(7, 45, u32::MAX), LIMITS) else { panic!("refused") };
        assert_eq!((word(&body, 4), word(&body, 12)), (31, FLAGS), "no more than is wanted");
        let Agreement::SpeakOlder(body) = agree(greeting(8, 0, 0), LIMITS) else { panic!("understood") };
        assert_eq!((word(&body, 0), body.len()), (7, 64));
        assert_eq!(agree(greeting(7, 27, u32::MAX), LIMITS), Agreement::TooOld);
        assert_eq!(agree(greeting(6, 99, u32::MAX), LIMITS), Agreement::TooOld);
        assert_eq!(agree(greeting(7, 31, FLAGS & !flag::ASYNC_DIO), LIMITS), Agreement::TooOld);
    }

    #[test]
    fn a_directory_is_told_in_pieces() {
        let entries: [(u64, Kind, &[u8]); 3] =
            [(1, Kind::Directory, b"."), (1, Kind::Directory, b".."), (2, Kind::File, b"volume-17")];
        let all = directory(&entries, 0, 4096);
        assert_eq!(all.len(), 32 + 32 + 40);
        assert_eq!((long_word(&all, 0), long_word(&all, 8), word(&all, 16), word(&all, 20)), (1, 1, 1, 4));
        assert_eq!((long_word(&all, 72), word(&all, 80), word(&all, 84)), (3, 9, 8));
        assert_eq!(&all[88..97], b"volume-17");
        assert_eq!(directory(&entries, 0, 103), all[..64], "the last one does not fit");
        assert_eq!(directory(&entries, 2, 103), all[64..]);
        assert!(directory(&entries, 3, 4096).is_empty() && directory(&entries, u64::MAX, 4096).is_empty());
        assert!(directory(&entries, 0, 0).is_empty());
    }
}
