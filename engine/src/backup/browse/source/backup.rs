//! A backup in a target: blocks are fetched when something in them is asked for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::super::cache::{Cancel, ReadAt};
use crate::backup::fetch::Fetcher;
use crate::backup::{BackupError, BackupRecord, Store, VolumeRecord, names};

/// Bytes of blocks that are kept: what is asked for next is most often in the same one.
const KEPT_BYTES: u64 = 16 << 20;
/// How often it is looked, while a block is waited for, whether anybody still waits for it: a store that does not answer is
/// asked for minutes.
const LOOK_PERIOD: Duration = Duration::from_millis(200);

/// One backup.
pub struct BackupSource {
    runtime: Handle,
    fetcher: Fetcher,
    record: BackupRecord,
    size: u64,
    block_size: u64,
    cancel: Cancel,
    /// Blocks by the index in the record, the last used first.
    kept: RefCell<VecDeque<(usize, Bytes)>>,
}

impl BackupSource {
    /// Reads the records of the backup. [`ReadAt::read_at`] blocks: it is to be called outside of the runtime's own
    /// threads, as [`tokio::task::spawn_blocking`] does.
    ///
    /// # Errors
    /// There is no such backup, it is not complete, it holds only what differs from a backing image, or the store can't be reached.
    pub async fn open(store: &Store, volume: &str, backup: &str) -> Result<Self, BackupError> {
        names::check("volume", volume)?;
        names::check("backup", backup)?;
        let volume_record = VolumeRecord::load(store, volume).await?;
        if !volume_record.backing_image_name.is_empty() {
            return Err(BackupError::OnBackingImage { image: volume_record.backing_image_name });
        }
        let record = BackupRecord::load_complete(store, volume, backup).await?;
        record.check_within(volume_record.size)?;
        Ok(Self {
            runtime: Handle::current(),
            fetcher: Fetcher::new(store, volume, record.compression()?),
            size: volume_record.size,
            block_size: record.block_size()?,
            record,
            cancel: Cancel::default(),
            kept: RefCell::default(),
        })
    }

    fn block(&self, index: usize) -> io::Result<Bytes> {
        let mut kept = self.kept.borrow_mut();
        let place = kept.iter().position(|(known, _)| *known == index);
        if let Some(found) = place.and_then(|place| kept.remove(place)) {
            let content = found.1.clone();
            kept.push_front(found);
            return Ok(content);
        }
        // Before the next one comes: the largest blocks are larger than all that is to be kept.
        kept.truncate(usize::try_from(KEPT_BYTES / self.block_size).unwrap_or(0).saturating_sub(1));
        let entry = self.record.blocks.entries().get(index).ok_or(io::ErrorKind::NotFound)?;
        let fetching = self.fetcher.fetch(entry.checksum, self.block_size);
        let fetched = self.runtime.block_on(async {
            tokio::select! {
                fetched = fetching => fetched.map_err(io::Error::other),
                () = told(&self.cancel) => Err(io::Error::other("nobody waits for it any more")),
            }
        });
        let content = fetched?.content;
        kept.push_front((index, content.clone()));
        Ok(content)
    }
}

/// Returns once it is.
async fn told(cancel: &Cancel) {
    while !cancel.is_told() {
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}

impl ReadAt for BackupSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn obey(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let entries = self.record.blocks.entries();
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let (start, within) = (at - at % self.block_size, at % self.block_size);
            let left = usize::try_from(self.block_size - within).unwrap_or(usize::MAX);
            let length = left.min(buffer.len() - done);
            let part = &mut buffer[done..done + length];
            match entries.binary_search_by_key(&start, |entry| entry.offset) {
                Ok(index) => {
                    let content = self.block(index)?;
                    let from = usize::try_from(within).unwrap_or(usize::MAX);
                    let piece = content.get(from..).and_then(|rest| rest.get(..length));
                    part.copy_from_slice(piece.ok_or(io::ErrorKind::UnexpectedEof)?);
                }
                // No block: nothing was ever written there.
                Err(_) => part.fill(0),
            }
            done += length;
        }
        Ok(())
    }
}
