//! What the kernel's FUSE asks: `/dev/fuse`, protocol 7 (`linux/fuse.h`).
//!
//! A message is one header and the arguments of its operation; all numbers are the machine's own.
//!
//! | header, bytes | |
//! |---|---|
//! | 0..4 | length of the message, header included |
//! | 4..8 | operation |
//! | 8..16 | number of the request, which its answer repeats |
//! | 16..24 | inode |
//! | 24..40 | user, group, process, extensions: of no use here |
//!
//! Only what a file system of one file needs is understood. The kernel takes `ENOSYS` for an operation as "never ask
//! again", and gets it for everything else.

use bytes::Buf;
use nix::errno::Errno;
use nix::libc;

pub(super) const HEADER_BYTES: usize = 40;
/// Arguments of a write; its data comes behind them.
pub(super) const WRITE_ARGUMENTS_BYTES: usize = 40;
/// Nothing that is understood, but the data of a write, is longer: the longest is a name of 255 bytes and its end.
pub(super) const LONGEST_BYTES: usize = 512;

mod operation {
    pub(super) const LOOKUP: u32 = 1;
    pub(super) const FORGET: u32 = 2;
    pub(super) const GETATTR: u32 = 3;
    pub(super) const SETATTR: u32 = 4;
    pub(super) const OPEN: u32 = 14;
    pub(super) const READ: u32 = 15;
    pub(super) const WRITE: u32 = 16;
    pub(super) const STATFS: u32 = 17;
    pub(super) const RELEASE: u32 = 18;
    pub(super) const FSYNC: u32 = 20;
    pub(super) const FLUSH: u32 = 25;
    pub(super) const INIT: u32 = 26;
    pub(super) const OPENDIR: u32 = 27;
    pub(super) const READDIR: u32 = 28;
    pub(super) const RELEASEDIR: u32 = 29;
    pub(super) const DESTROY: u32 = 38;
    pub(super) const BATCH_FORGET: u32 = 42;
    pub(super) const FALLOCATE: u32 = 43;
}

/// `FATTR_SIZE`: the size is among what is to be set.
const SETS_SIZE: u32 = 1 << 3;

/// Who asks what about which inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    pub(super) inode: u64,
    operation: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    /// The first message of all.
    Init(Greeting),
    Question(Question<'a>),
    Work(Work),
    /// Gets no answer.
    Forget,
}

/// What can be told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question<'a> {
    Lookup {
        name: &'a [u8],
    },
    GetAttributes,
    SetAttributes {
        size: Option<u64>,
    },
    Open {
        flags: i32,
    },
    OpenDirectory,
    ReadDirectory {
        from: u64,
        most_bytes: u32,
    },
    Statistics,
    /// The kernel tells of an end, and wants no more than to be heard.
    Farewell,
}

/// What is done with the volume's data. Offsets and lengths in bytes, as the kernel says them: nothing is checked against
/// the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Read {
        offset: u64,
        length: u32,
    },
    /// The data is what follows [`WRITE_ARGUMENTS_BYTES`].
    Write {
        offset: u64,
        length: u32,
    },
    Flush,
    Allocate {
        offset: u64,
        length: u64,
        mode: i32,
    },
}

/// What the kernel can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) max_readahead: u32,
    pub(super) flags: u32,
}

impl Header {
    /// The header of a message of `received` bytes; `None` for what is no message, and has nobody to be answered.
    pub(super) fn decode(mut head: &[u8], received: usize) -> Option<Self> {
        let length = head.try_get_u32_ne().ok()?;
        let operation = head.try_get_u32_ne().ok()?;
        let header = Self { operation, number: head.try_get_u64_ne().ok()?, inode: head.try_get_u64_ne().ok()? };
        (received >= HEADER_BYTES && length as usize == received).then_some(header)
    }

    pub(super) fn is_write(self) -> bool {
        self.operation == operation::WRITE
    }
}

impl<'a> Request<'a> {
    /// `arguments` is what follows the header; of a write, [`WRITE_ARGUMENTS_BYTES`] of it are enough.
    ///
    /// # Errors
    /// `ENOSYS`: no operation of this file system. `EIO`: its arguments are cut off.
    pub(super) fn decode(header: Header, arguments: &'a [u8]) -> Result<Self, Errno> {
        let mut rest = arguments;
        match header.operation {
            operation::INIT => greeting(&mut rest).map(Self::Init),
            operation::FORGET | operation::BATCH_FORGET => Ok(Self::Forget),
            operation::READ | operation::WRITE | operation::FLUSH | operation::FSYNC | operation::FALLOCATE => {
                work(header.operation, &mut rest).map(Self::Work)
            }
            _ => question(header.operation, arguments).map(Self::Question),
        }
    }
}

fn greeting(rest: &mut &[u8]) -> Result<Greeting, Errno> {
    let (major, minor) = (number(rest)?, number(rest)?);
    Ok(Greeting { major, minor, max_readahead: number(rest)?, flags: number(rest)? })
}

fn work(operation: u32, rest: &mut &[u8]) -> Result<Work, Errno> {
    match operation {
        operation::READ => {
            let (offset, length) = range(rest)?;
            Ok(Work::Read { offset, length })
        }
        operation::WRITE => {
            let (offset, length) = range(rest)?;
            // Flags and owners of the write.
            skip(rest, WRITE_ARGUMENTS_BYTES - 20)?;
            Ok(Work::Write { offset, length })
        }
        operation::FALLOCATE => {
            skip(rest, 8)?;
            let (offset, length) = (long_number(rest)?, long_number(rest)?);
            Ok(Work::Allocate { offset, length, mode: number(rest)? as i32 })
        }
        // Closing too: whoever opened the file may rely on its data from there on.
        operation::FLUSH | operation::FSYNC => Ok(Work::Flush),
        _ => Err(Errno::ENOSYS),
    }
}

fn question(operation: u32, arguments: &[u8]) -> Result<Question<'_>, Errno> {
    let mut rest = arguments;
    match operation {
        operation::LOOKUP => {
            let end = arguments.iter().position(|&byte| byte == 0).ok_or(Errno::EIO)?;
            Ok(Question::Lookup { name: &arguments[..end] })
        }
        operation::GETATTR => Ok(Question::GetAttributes),
        operation::SETATTR => {
            let set = number(&mut rest)?;
            // Padding, and a file handle.
            skip(&mut rest, 4 + 8)?;
            let size = long_number(&mut rest)?;
            Ok(Question::SetAttributes { size: (set & SETS_SIZE != 0).then_some(size) })
        }
        operation::OPEN => Ok(Question::Open { flags: number(&mut rest)? as i32 }),
        operation::OPENDIR => Ok(Question::OpenDirectory),
        operation::READDIR => {
            let (from, most_bytes) = range(&mut rest)?;
            Ok(Question::ReadDirectory { from, most_bytes })
        }
        operation::STATFS => Ok(Question::Statistics),
        operation::RELEASE | operation::RELEASEDIR | operation::DESTROY => Ok(Question::Farewell),
        _ => Err(Errno::ENOSYS),
    }
}

/// File handle, offset, length: how reads and writes begin.
fn range(rest: &mut &[u8]) -> Result<(u64, u32), Errno> {
    skip(rest, 8)?;
    Ok((long_number(rest)?, number(rest)?))
}

fn number(rest: &mut &[u8]) -> Result<u32, Errno> {
    rest.try_get_u32_ne().map_err(|_| Errno::EIO)
}

fn long_number(rest: &mut &[u8]) -> Result<u64, Errno> {
    rest.try_get_u64_ne().map_err(|_| Errno::EIO)
}

fn skip(rest: &mut &[u8], bytes: usize) -> Result<(), Errno> {
    *rest = rest.get(bytes..).ok_or(Errno::EIO)?;
    Ok(())
}

/// How a range of the file is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zeroing {
    /// The loop driver punches a hole for discards and for zeroing that may unmap. A hole has to read as zeros, so it is
    /// no mere discard.
    MayUnmap,
    /// Zeroing that may not unmap.
    KeepsSpace,
}

impl Zeroing {
    /// # Errors
    /// `EOPNOTSUPP` for every other use of `fallocate`.
    pub(super) fn of_mode(mode: i32) -> Result<Self, Errno> {
        match mode & !libc::FALLOC_FL_KEEP_SIZE {
            libc::FALLOC_FL_PUNCH_HOLE => Ok(Self::MayUnmap),
            libc::FALLOC_FL_ZERO_RANGE => Ok(Self::KeepsSpace),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    fn header(operation: u32) -> Header {
        Header { number: 7, inode: 2, operation }
    }

    fn arguments(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn pair(low: u32, high: u32) -> u64 {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&low.to_ne_bytes());
        bytes[4..].copy_from_slice(&high.to_ne_bytes());
        u64::from_ne_bytes(bytes)
    }

    #[test]
    fn a_header_is_taken_apart() {
        let mut bytes = Vec::new();
        bytes.put_u32_ne(40);
        bytes.put_u32_ne(17);
        bytes.put_u64_ne(99);
        bytes.put_u64_ne(1);
        bytes.resize(HEADER_BYTES, 0xff);
        let header = Header::decode(&bytes, 40).unwrap();
        assert_eq!(header, Header { number: 99, inode: 1, operation: 17 });
        assert_eq!(Request::decode(header, &[]), Ok(Request::Question(Question::Statistics)));
        assert_eq!(Header::decode(&bytes, 41), None, "longer than it says");
        assert_eq!(Header::decode(&bytes, 39), None, "shorter than it says");
        bytes[..4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(Header::decode(&bytes, 40), None, "a huge length");
        for cut in 0..24 {
            assert_eq!(Header::decode(&bytes[..cut], cut), None);
        }
    }

    #[test]
    fn requests_are_taken_apart_where_the_kernel_puts_them() {
        let work = |operation, arguments: &[u8]| match Request::decode(header(operation), arguments) {
            Ok(Request::Work(work)) => work,
            other => panic!("{other:?}"),
        };
        let range = arguments(&[0, 4096, pair(512, 0), 0, 0]);
        assert_eq!(work(15, &range), Work::Read { offset: 4096, length: 512 });
        assert_eq!(work(16, &range), Work::Write { offset: 4096, length: 512 });
        let allocate = arguments(&[0, 8192, 4096, pair(3, 0)]);
        assert_eq!(work(43, &allocate), Work::Allocate { offset: 8192, length: 4096, mode: 3 });
        assert_eq!((work(20, &[]), work(25, &[])), (Work::Flush, Work::Flush));

        let question = |operation, arguments| match Request::decode(header(operation), arguments) {
            Ok(Request::Question(question)) => question,
            other => panic!("{other:?}"),
        };
        assert_eq!(question(28, &range), Question::ReadDirectory { from: 4096, most_bytes: 512 });
        let size = arguments(&[pair(1 << 3, 0), 0, 4096]);
        assert_eq!(question(4, &size), Question::SetAttributes { size: Some(4096) });
        let times = arguments(&[pair(1 << 4 | 1 << 5, 0), 0, 4096]);
        assert_eq!(question(4, &times), Question::SetAttributes { size: None });
        assert_eq!(question(1, b"vol-1\0rest"), Question::Lookup { name: b"vol-1" });

        let init = arguments(&[pair(7, 45), pair(131_072, 1 << 15)]);
        let greeting = Greeting { major: 7, minor: 45, max_readahead: 131_072, flags: 1 << 15 };
        assert_eq!(Request::decode(header(26), &init), Ok(Request::Init(greeting)));
    }

    #[test]
    fn every_operation_survives_arguments_of_any_length() {
        let bytes = [0xff; LONGEST_BYTES];
        for operation in (0..64).chain([4096, u32::MAX]) {
            for length in 0..bytes.len() {
                if let Ok(request) = Request::decode(header(operation), &bytes[..length]) {
                    let lookup = matches!(request, Request::Question(Question::Lookup { .. }));
                    assert!(!lookup, "a name without an end");
                }
            }
        }
        assert_eq!(Request::decode(header(16), &bytes[..WRITE_ARGUMENTS_BYTES - 1]), Err(Errno::EIO));
        assert_eq!(Request::decode(header(1), b""), Err(Errno::EIO));
    }

    #[test]
    fn what_is_not_understood_is_never_asked_again() {
        // MKNOD, INTERRUPT, IOCTL, STATX, CUSE_INIT, and what may come.
        for operation in [0, 8, 36, 39, 52, 4096, u32::MAX] {
            assert_eq!(Request::decode(header(operation), &[0; 128]), Err(Errno::ENOSYS));
        }
    }

    #[test]
    fn holes_and_zeros_are_told_apart() {
        assert_eq!(Zeroing::of_mode(3), Ok(Zeroing::MayUnmap), "punch a hole, keep the size");
        assert_eq!(Zeroing::of_mode(0x11), Ok(Zeroing::KeepsSpace), "zero a range, keep the size");
        for mode in [0, 1, 8, 0x20, -1] {
            assert_eq!(Zeroing::of_mode(mode), Err(Errno::EOPNOTSUPP));
        }
    }
}
