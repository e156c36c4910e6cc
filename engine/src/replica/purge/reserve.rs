//! Space that a purge leaves to what the volumes on its disk write.
//!
//! A merge needs space before it gives some back: what the child alone holds is there twice until the swap. A live write
//! that finds the disk full fails for its user, so a merge begins only where it fits, goes on only as long as it does,
//! and gives back what it has copied when it does not.

use std::path::Path;

use crate::disk::DiskError;

/// What the volumes of a fast disk may write in the second or two that it takes to notice and to give the copy back.
const RESERVE_BYTES: u64 = 1 << 30;
/// Large disks hold more volumes: a hundredth.
const RESERVE_PART: u64 = 100;
/// On a small disk more than an eighth would keep purges out for good.
const LARGEST_PART: u64 = 8;

/// What stays free on a file system of this size.
fn reserve_of(size_bytes: u64) -> u64 {
    (size_bytes / RESERVE_PART).max(RESERVE_BYTES).min(size_bytes / LARGEST_PART)
}

/// A file system as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    pub(super) free_bytes: u64,
    pub(super) reserve_bytes: u64,
}

impl Space {
    pub(super) fn under(directory: &Path) -> Result<Self, DiskError> {
        let facts = nix::sys::statvfs::statvfs(directory)
            .map_err(|error| DiskError::at("ask for the free space of", directory)(error.into()))?;
        let unit = facts.fragment_size() as u64;
        Ok(Self {
            free_bytes: facts.blocks_available() as u64 * unit,
            reserve_bytes: reserve_of(facts.blocks() as u64 * unit),
        })
    }

    /// Whether `bytes` more can be taken. Nothing is always possible.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        bytes == 0 || self.free_bytes.saturating_sub(self.reserve_bytes) >= bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_gib_or_a_hundredth_and_never_more_than_an_eighth() {
        const GIB: u64 = 1 << 30;
        assert_eq!(reserve_of(4 * GIB), GIB / 2);
        assert_eq!(reserve_of(50 * GIB), GIB);
        assert_eq!(reserve_of(1000 * GIB), 10 * GIB);
        let space = Space { free_bytes: 10 * GIB, reserve_bytes: 8 * GIB };
        assert!(space.has_room_for(2 * GIB) && !space.has_room_for(2 * GIB + 1));
        assert!(Space { free_bytes: GIB, reserve_bytes: 8 * GIB }.has_room_for(0));
    }
}
