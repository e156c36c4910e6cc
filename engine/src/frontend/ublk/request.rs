//! What the kernel asks, from its descriptor, and the calls on the device that it becomes.

use nix::errno::Errno;

use super::layout::SECTOR_BYTES;
use crate::disk::AlignedBuf;
use crate::frontend::{BlockDevice, Durability, IoError, IoErrorKind};
use crate::sys::ublk_queue::Descriptor;

mod operation {
    pub(super) const READ: u8 = 0;
    pub(super) const WRITE: u8 = 1;
    pub(super) const FLUSH: u8 = 2;
    pub(super) const DISCARD: u8 = 3;
    pub(super) const WRITE_ZEROES: u8 = 5;
}

mod flag {
    pub(super) const FUA: u32 = 1 << 13;
    pub(super) const NO_UNMAP: u32 = 1 << 15;
}

/// Offsets and lengths in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Read { offset: u64, length: u32 },
    Write { offset: u64, length: u32, durability: Durability },
    Flush,
    Discard { offset: u64, length: u64 },
    WriteZeroes { offset: u64, length: u64, may_unmap: bool, durability: Durability },
}

/// What the kernel is told.
#[derive(Debug)]
pub(super) enum Outcome {
    Data(AlignedBuf),
    Written(u32),
    Done,
}

impl Request {
    /// # Errors
    /// `EOPNOTSUPP`: this kind was never offered. `EINVAL`: it lies nowhere, or is longer than was agreed on.
    pub(super) fn decode(descriptor: Descriptor, largest_bytes: u32) -> Result<Self, Errno> {
        let Descriptor { operation_and_flags, sectors, first_sector, .. } = descriptor;
        let operation = operation_and_flags as u8;
        if operation == operation::FLUSH {
            // It has no place: its first sector may be any number, and is all ones.
            return Ok(Self::Flush);
        }
        let offset = first_sector.checked_mul(SECTOR_BYTES).ok_or(Errno::EINVAL)?;
        let length = u64::from(sectors) * SECTOR_BYTES;
        let durability = if operation_and_flags & flag::FUA != 0 { Durability::Stable } else { Durability::Written };
        let moved = || u32::try_from(length).ok().filter(|&length| length <= largest_bytes).ok_or(Errno::EINVAL);
        match operation {
            operation::READ => Ok(Self::Read { offset, length: moved()? }),
            operation::WRITE => Ok(Self::Write { offset, length: moved()?, durability }),
            operation::DISCARD => Ok(Self::Discard { offset, length }),
            operation::WRITE_ZEROES => {
                let may_unmap = operation_and_flags & flag::NO_UNMAP == 0;
                Ok(Self::WriteZeroes { offset, length, may_unmap, durability })
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    /// Memory that it takes while it is served.
    pub(super) fn data_bytes(self) -> u64 {
        match self {
            Self::Read { length, .. } | Self::Write { length, .. } => length.into(),
            Self::Flush | Self::Discard { .. } | Self::WriteZeroes { .. } => 0,
        }
    }

    /// `payload` is what a write writes.
    pub(super) async fn carry_out<D: BlockDevice>(self, device: &D, payload: AlignedBuf) -> Result<Outcome, Errno> {
        let failed = |error: IoError| errno(&error, matches!(self, Self::Read { .. }));
        match self {
            Self::Read { offset, length } => match device.read(offset, length).await.map_err(failed)? {
                data if data.len() == length as usize => Ok(Outcome::Data(data)),
                // The kernel would take the rest for what lay in its memory before.
                _ => Err(Errno::EIO),
            },
            Self::Write { offset, length, durability } => {
                device.write(offset, payload, durability).await.map_err(failed)?;
                Ok(Outcome::Written(length))
            }
            Self::Flush => device.flush().await.map_err(failed).map(|()| Outcome::Done),
            Self::Discard { offset, length } => {
                device.discard(offset, length).await.map_err(failed).map(|()| Outcome::Done)
            }
            Self::WriteZeroes { offset, length, may_unmap, durability } => {
                let zeroed = device.write_zeroes(offset, length, may_unmap, durability).await;
                zeroed.map_err(failed).map(|()| Outcome::Done)
            }
        }
    }
}

/// What the kernel is told; the text goes to the log, since the kernel has no place for it.
fn errno(error: &IoError, is_read: bool) -> Errno {
    tracing::debug!(%error, "a request of the block device failed");
    match error.kind {
        IoErrorKind::OutOfRange if is_read => Errno::EINVAL,
        IoErrorKind::OutOfRange | IoErrorKind::NoSpace => Errno::ENOSPC,
        IoErrorKind::Io | IoErrorKind::Fenced => Errno::EIO,
        IoErrorKind::Shutdown => Errno::ESHUTDOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST_BYTES: u32 = 1 << 20;

    fn decode(operation_and_flags: u32, sectors: u32, first_sector: u64) -> Result<Request, Errno> {
        Request::decode(Descriptor { operation_and_flags, sectors, first_sector, address: 0 }, LARGEST_BYTES)
    }

    #[test]
    fn every_kind_is_understood() {
        let durability = Durability::Written;
        assert_eq!(decode(0, 8, 2), Ok(Request::Read { offset: 1024, length: 4096 }));
        assert_eq!(decode(1, 1, 0), Ok(Request::Write { offset: 0, length: 512, durability }));
        assert_eq!(decode(2, 0, u64::MAX), Ok(Request::Flush), "as the kernel says it");
        assert_eq!(decode(3, u32::MAX, 8), Ok(Request::Discard { offset: 4096, length: u64::from(u32::MAX) * 512 }));
        let zeroes = Request::WriteZeroes { offset: 0, length: 4096, may_unmap: true, durability };
        assert_eq!(decode(5, 8, 0), Ok(zeroes));
    }

    #[test]
    fn flags_are_heeded_and_unknown_ones_do_not_matter() {
        let durability = Durability::Stable;
        assert_eq!(decode(1 | 1 << 13, 1, 0), Ok(Request::Write { offset: 0, length: 512, durability }));
        let zeroes = Request::WriteZeroes { offset: 0, length: 512, may_unmap: false, durability };
        assert_eq!(decode(5 | 1 << 13 | 1 << 15, 1, 0), Ok(zeroes));
        assert_eq!(decode(1 << 8 | 1 << 11 | 1 << 16, 1, 0), Ok(Request::Read { offset: 0, length: 512 }));
    }

    #[test]
    fn what_was_not_agreed_on_is_refused() {
        assert_eq!(decode(4, 1, 0), Err(Errno::EOPNOTSUPP));
        assert_eq!(decode(0, LARGEST_BYTES / 512 + 1, 0), Err(Errno::EINVAL));
        assert_eq!(decode(1, u32::MAX, 0), Err(Errno::EINVAL));
        assert_eq!(decode(0, 1, u64::MAX), Err(Errno::EINVAL));
    }
}
