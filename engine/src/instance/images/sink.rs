//! The way of an image's content onto the disk: in order, hashed, with holes where there are zeros.
//!
//! ```text
//!   whoever has the content ──4 pieces──► a thread: SHA-512, backing.tmp
//! ```
//! A sink that is dropped leaves an unfinished file, which nobody reads. A failed write is the answer to the next piece.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha512};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::ImageError;
use super::progress::Progress;
use crate::image_format::runs_with_data;

/// Pieces on their way; with pieces of up to 1 MiB, all the memory that an image takes.
const QUEUE_LENGTH: usize = 4;
/// Written at a time.
const BUFFER_BYTES: usize = 1 << 20;
/// Zeros are looked for in blocks of a file system.
const BLOCK_BYTES: usize = 4096;
/// So much at most waits in the page cache for the disk: a flood of it would hold up the volumes beside it.
const SYNC_EVERY_BYTES: u64 = 64 << 20;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) size: u64,
    /// SHA-512 in hexadecimal.
    pub(super) checksum: String,
}

enum Piece {
    Data(Bytes),
    Zeros(u64),
    /// Everything from the beginning again.
    Restart,
    Finish,
}

/// An unfinished file that is being written.
pub(super) struct Sink {
    pieces: mpsc::Sender<Piece>,
    writing: JoinHandle<Result<Written, ImageError>>,
    length: u64,
    progress: Progress,
}

impl Sink {
    /// Creates the file, empty.
    pub(super) fn create(path: &Path, progress: &Progress) -> Self {
        let (pieces, queue) = mpsc::channel(QUEUE_LENGTH);
        let (path, works) = (path.to_path_buf(), progress.clone());
        let writing = tokio::task::spawn_blocking(move || {
            let written = Writer::open(path).and_then(|writer| writer.run(queue));
            drop(works);
            written
        });
        Self { pieces, writing, length: 0, progress: progress.clone() }
    }

    /// Bytes taken until now.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    pub(super) async fn write(&mut self, data: Bytes) -> Result<(), ImageError> {
        self.length += data.len() as u64;
        self.progress.at(self.length);
        self.send(Piece::Data(data)).await
    }

    pub(super) async fn zeros(&mut self, length: u64) -> Result<(), ImageError> {
        self.length += length;
        self.progress.at(self.length);
        if length == 0 { Ok(()) } else { self.send(Piece::Zeros(length)).await }
    }

    /// Forgets what was taken.
    pub(super) async fn restart(&mut self) -> Result<(), ImageError> {
        self.length = 0;
        self.progress.at(0);
        self.send(Piece::Restart).await
    }

    /// All content was taken: makes it durable.
    pub(super) async fn finish(mut self) -> Result<Written, ImageError> {
        self.send(Piece::Finish).await?;
        self.outcome().await
    }

    /// A thread that takes no more has failed, and says why.
    async fn send(&mut self, piece: Piece) -> Result<(), ImageError> {
        if self.pieces.send(piece).await.is_ok() {
            return Ok(());
        }
        Err(self.outcome().await.err().unwrap_or(ImageError::GivenUp))
    }

    async fn outcome(&mut self) -> Result<Written, ImageError> {
        (&mut self.writing).await.unwrap_or(Err(ImageError::GivenUp))
    }
}

/// The thread's end.
struct Writer {
    file: File,
    path: PathBuf,
    sum: Sha512,
    buffer: Vec<u8>,
    /// Of the buffer's first byte.
    offset: u64,
    unsynced: u64,
}

impl Writer {
    fn open(path: PathBuf) -> Result<Self, ImageError> {
        let opened = File::options().write(true).create(true).truncate(true).mode(0o644).open(&path);
        let file = opened.map_err(ImageError::at("create", &path))?;
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Ok(Self { file, path, sum: Sha512::new(), buffer, offset: 0, unsynced: 0 })
    }

    fn run(mut self, mut queue: mpsc::Receiver<Piece>) -> Result<Written, ImageError> {
        while let Some(piece) = queue.blocking_recv() {
            match piece {
                Piece::Data(data) => self.take(&data)?,
                Piece::Zeros(length) => self.skip(length)?,
                Piece::Restart => self.restart()?,
                Piece::Finish => return self.finish(),
            }
        }
        // Whoever had the content is gone.
        Err(ImageError::GivenUp)
    }

    fn take(&mut self, mut data: &[u8]) -> Result<(), ImageError> {
        self.sum.update(data);
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(BUFFER_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            data = later;
            if self.buffer.len() == BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn skip(&mut self, length: u64) -> Result<(), ImageError> {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        self.flush()?;
        let mut left = length;
        while left > 0 {
            let part = left.min(ZEROS.len() as u64);
            self.sum.update(&ZEROS[..part as usize]);
            left -= part;
        }
        self.offset += length;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ImageError> {
        for (start, end) in runs_with_data(&self.buffer, BLOCK_BYTES) {
            let written = self.file.write_all_at(&self.buffer[start..end], self.offset + start as u64);
            written.map_err(ImageError::at("write", &self.path))?;
            self.unsynced += (end - start) as u64;
        }
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        if self.unsynced >= SYNC_EVERY_BYTES {
            self.unsynced = 0;
            self.file.sync_data().map_err(ImageError::at("sync", &self.path))?;
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), ImageError> {
        self.file.set_len(0).map_err(ImageError::at("empty", &self.path))?;
        self.buffer.clear();
        (self.sum, self.offset) = (Sha512::new(), 0);
        Ok(())
    }

    fn finish(mut self) -> Result<Written, ImageError> {
        self.flush()?;
        self.file.set_len(self.offset).map_err(ImageError::at("set the size of", &self.path))?;
        self.file.sync_all().map_err(ImageError::at("sync", &self.path))?;
        Ok(Written { size: self.offset, checksum: hexadecimal(&self.sum.finalize()) })
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
