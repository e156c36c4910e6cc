//! The kernel's map of a file: which byte ranges have storage behind them (`FS_IOC_FIEMAP`).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::libc;

/// Extents asked for in one call; 128 keep the request within two pages.
const BATCH: usize = 128;
/// `FIEMAP_FLAG_SYNC`: write dirty pages out first, so that delayed allocation cannot hide data.
const FLAG_SYNC: u32 = 1;
/// `FIEMAP_EXTENT_LAST`: nothing follows this extent.
const EXTENT_LAST: u32 = 1;

/// `FIEMAP_EXTENT_UNWRITTEN`: allocated, and reads as zeros whatever is on the disk there.
const EXTENT_UNWRITTEN: u32 = 0x800;

/// `struct fiemap` of `linux/fiemap.h` without its flexible array.
#[repr(C)]
struct Header {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
}

/// `struct fiemap_extent` of `linux/fiemap.h`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct RawExtent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

#[repr(C)]
struct Request {
    header: Header,
    extents: [RawExtent; BATCH],
}

/// One range of a file that has storage, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Reserved, and nothing written to it yet.
    pub(crate) unwritten: bool,
}

impl From<&RawExtent> for Extent {
    fn from(raw: &RawExtent) -> Self {
        Self { offset: raw.logical, length: raw.length, unwritten: raw.flags & EXTENT_UNWRITTEN != 0 }
    }
}

/// One answer of the kernel.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) extents: Vec<Extent>,
    /// Nothing follows in the asked range.
    pub(crate) complete: bool,
}

/// The first extents of `file` that touch `start..end` (bytes), at most one batch of them.
pub(crate) fn batch(file: &File, start: u64, end: u64) -> io::Result<Batch> {
    let mut request = Request {
        header: Header {
            start,
            length: end.saturating_sub(start),
            flags: FLAG_SYNC,
            mapped_extents: 0,
            extent_count: BATCH as u32,
            reserved: 0,
        },
        extents: [RawExtent::default(); BATCH],
    };
    let code = nix::request_code_readwrite!(b'f', 11, size_of::<Header>());
    // SAFETY: `request` is a `struct fiemap` followed by room for exactly `extent_count` extents, both laid out as
    // the kernel's headers say; it lives across the call, and the descriptor is open because `file` is borrowed.
    let outcome = unsafe { libc::ioctl(file.as_raw_fd(), code as _, &raw mut request) };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    let mapped = (request.header.mapped_extents as usize).min(BATCH);
    let raw = &request.extents[..mapped];
    let complete = mapped < BATCH || raw.last().is_none_or(|last| last.flags & EXTENT_LAST != 0);
    let extents = raw.iter().map(Extent::from).collect();
    Ok(Batch { extents, complete })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn more_extents_than_a_batch_are_found_in_steps() {
        let file = tempfile::tempfile_in("/var/tmp").unwrap();
        let count = BATCH as u64 + 40;
        file.set_len(count * 3 * 4096).unwrap();
        for index in 0..count {
            file.write_all_at(&[1; 4096], index * 3 * 4096).unwrap();
        }
        let first = batch(&file, 0, u64::MAX).unwrap();
        assert!(!first.complete);
        let last = first.extents.last().unwrap();
        let second = batch(&file, last.offset + last.length, u64::MAX).unwrap();
        assert!(second.complete);
        assert_eq!(first.extents.len() + second.extents.len(), count as usize);
        assert_eq!(
            second.extents.last(),
            Some(&Extent { offset: (count - 1) * 3 * 4096, length: 4096, unwritten: false })
        );
    }
}
