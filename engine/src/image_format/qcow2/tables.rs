//! Entries of L1 and L2 tables, with the pages they lie in kept in a bounded cache.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Pages kept, 1 MiB in all. 256 pages of L2 tables cover 8 GiB of an image with clusters of 64 KiB; the page cache
/// of the kernel holds what does not fit.
pub(super) const TABLE_PAGES: usize = 256;
/// Bits of a page's number that choose its slot.
const SLOT_BITS: u32 = TABLE_PAGES.ilog2();
const PAGE: u64 = 4096;
/// Spreads neighbouring numbers over all slots (2^64 divided by the golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Every page of the file has one slot, so that a look-up takes one short lock and threads rarely meet.
#[derive(Debug)]
pub(super) struct Tables {
    slots: Box<[Mutex<Option<Arc<Page>>>]>,
}

#[derive(Debug)]
struct Page {
    number: u64,
    /// Shorter than [`PAGE`] at the end of the file.
    bytes: Vec<u8>,
}

impl Default for Tables {
    fn default() -> Self {
        Self { slots: (0..TABLE_PAGES).map(|_| Mutex::default()).collect() }
    }
}

impl Tables {
    /// The 8-byte entry at `offset`, a multiple of 8, so that it never crosses a page; `None` past the end of `file`.
    pub(super) fn entry(&self, file: &File, offset: u64) -> io::Result<Option<u64>> {
        let page = self.page(file, offset / PAGE)?;
        let start = (offset % PAGE) as usize;
        let bytes = page.bytes.get(start..start + 8).and_then(|bytes| bytes.try_into().ok());
        Ok(bytes.map(u64::from_be_bytes))
    }

    fn page(&self, file: &File, number: u64) -> io::Result<Arc<Page>> {
        let slot = &self.slots[(number.wrapping_mul(SPREAD) >> (u64::BITS - SLOT_BITS)) as usize];
        // A page is put in whole: a panic elsewhere leaves nothing half done here.
        if let Some(page) = &*slot.lock().unwrap_or_else(PoisonError::into_inner)
            && page.number == number
        {
            return Ok(Arc::clone(page));
        }
        let mut bytes = vec![0; PAGE as usize];
        let length = super::read_up_to(file, number * PAGE, &mut bytes)?;
        bytes.truncate(length);
        let page = Arc::new(Page { number, bytes });
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&page));
        Ok(page)
    }
}
