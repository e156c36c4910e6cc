//! Writing a volume's content as an image.
//!
//! ```text
//!   source ──read──► piece of 4 MiB ──┬──► hash (thread)
//!                                     └──► output (thread) ──► <output>.part ──► <output>
//! ```
//! The source is read by the caller's thread. Queues are short, so that memory stays within a few pieces.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::content_hash::{self, Piece};
use super::output::{Existing, PartFile};
use super::qcow2_output::{CLUSTER, Qcow2Output};
use super::raw_output::RawOutput;
use super::{ExportError, Format};
use crate::disk::AlignedBuf;

/// Bytes read, hashed and written at a time; a multiple of [`CLUSTER`].
const PIECE: u64 = 4 << 20;
/// Zeros that are hashed between two reports of progress.
const ZERO_PIECE: u64 = 256 << 20;
/// Pieces on their way to the output.
const QUEUE_LENGTH: usize = 4;

/// What a source says when it cannot be read.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Content to export, of a size that does not change meanwhile.
pub trait ImageSource {
    /// Bytes.
    fn size(&self) -> u64;

    /// The next range `(offset, length)` in bytes at or after `from` that may hold anything but zeros; `None` if there
    /// is none. It may be cut short, and `offset` may be `from` where the range began before.
    ///
    /// # Errors
    /// Whatever keeps the source from knowing.
    fn next_data(&mut self, from: u64) -> Result<Option<(u64, u64)>, SourceError>;

    /// Bytes that will be read in all, where the source knows without being gone through.
    fn planned(&self) -> Option<u64> {
        None
    }

    /// Fills `buffer`, whose memory is aligned to 4096 bytes, from `offset`, a multiple of 65536. The length is a
    /// multiple of 65536 too, or ends with the source.
    ///
    /// # Errors
    /// Whatever keeps the source from reading; the export ends with it.
    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError>;
}

/// How to export.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions<'call> {
    pub format: Format,
    /// Replace a file that has the name already.
    pub overwrite: bool,
    /// Compute the SHA-256 of the whole content. The time it takes follows the size, zeros included.
    pub checksum: bool,
    /// Set by anybody to end the export; it removes what it wrote.
    pub cancel: Option<&'call AtomicBool>,
}

/// What an export did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// SHA-256 of the content as a raw image, in hexadecimal digits; `None` where it was not wanted.
    pub sha256: Option<String>,
    /// Size of the content in bytes.
    pub size: u64,
    /// Bytes written into the file, tables of the format included.
    pub bytes_written: u64,
}

/// Writes `source` to the file `output`. `progress(done, planned)` is called after each piece: in bytes of the content
/// where a checksum goes over all of it, else in bytes that may hold data. Blocks until the file is durable.
///
/// # Errors
/// [`ExportError::Exists`] unless overwriting was asked for, [`ExportError::Cancelled`], [`ExportError::NoSpace`], the
/// source's, or the disk's. `output` is then as it was before.
pub fn export(
    source: &mut dyn ImageSource,
    output: &Path,
    options: &ExportOptions<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    let existing = if options.overwrite { Existing::Replace } else { Existing::Refuse };
    let size = source.size();
    let writer = Writer::begin(PartFile::create(output, existing)?, options.format, size)?;
    let planned = match source.planned() {
        _ if options.checksum => size,
        Some(planned) => planned,
        None => planned_data(source, size)?,
    };
    let stop = AtomicBool::new(false);
    let (writer, sha256) = thread::scope(|scope| {
        let (pieces, queue) = sync_channel(QUEUE_LENGTH);
        let writing = scope.spawn(move || writer.run(queue));
        let (hash, hashing) = if options.checksum {
            let (sender, hasher) = content_hash::channel();
            (Some(sender), Some(scope.spawn(|| hasher.run(&stop))))
        } else {
            (None, None)
        };
        let mut reading = Reading { source, size, hash, pieces, options, done: 0, planned, progress };
        let read = reading.run();
        stop.store(read.is_err(), Ordering::Relaxed);
        // The threads end when their queues do.
        drop(reading);
        let written = writing.join().map_err(|_| ExportError::Internal("the writer panicked"))?;
        let sha256 = hashing.map(|thread| thread.join().map_err(|_| ExportError::Internal("the hash panicked")));
        // A writer that failed is why the reading ended, not the other way round.
        let writer = written?;
        read?;
        Ok::<_, ExportError>((writer, sha256.transpose()?.flatten()))
    })?;
    let bytes_written = writer.finish()?;
    Ok(Exported { sha256, size, bytes_written })
}

/// Bytes that will be read.
fn planned_data(source: &mut dyn ImageSource, size: u64) -> Result<u64, ExportError> {
    let (mut at, mut planned) = (0, 0);
    while let Some((start, end)) = next_clusters(source, at, size)? {
        planned += end - start;
        at = end;
    }
    Ok(planned)
}

/// The next range with data at or after `from` (a multiple of [`CLUSTER`], or the end), widened to whole clusters.
fn next_clusters(source: &mut dyn ImageSource, from: u64, size: u64) -> Result<Option<(u64, u64)>, ExportError> {
    if from >= size {
        return Ok(None);
    }
    let found = source.next_data(from).map_err(ExportError::Source)?;
    let Some((offset, length)) = found.filter(|(offset, _)| *offset < size) else {
        return Ok(None);
    };
    let start = (offset / CLUSTER * CLUSTER).max(from);
    let end = offset.saturating_add(length).min(size).next_multiple_of(CLUSTER).min(size);
    if start >= end {
        // Taken for the end of the data, it would leave out what follows.
        return Err(ExportError::Internal("the source names data before the place it was asked for"));
    }
    Ok(Some((start, end)))
}

/// The caller's part of an export.
struct Reading<'call> {
    source: &'call mut dyn ImageSource,
    size: u64,
    hash: Option<SyncSender<Piece>>,
    pieces: SyncSender<(u64, Arc<AlignedBuf>)>,
    options: &'call ExportOptions<'call>,
    done: u64,
    planned: u64,
    progress: &'call mut dyn FnMut(u64, u64),
}

impl Reading<'_> {
    fn run(&mut self) -> Result<(), ExportError> {
        let mut at = 0;
        while let Some((start, end)) = next_clusters(self.source, at, self.size)? {
            self.skip(start - at)?;
            at = start;
            while at < end {
                let length = (end - at).min(PIECE - at % PIECE);
                self.copy(at, length)?;
                at += length;
            }
        }
        self.skip(self.size - at)
    }

    fn copy(&mut self, at: u64, length: u64) -> Result<(), ExportError> {
        self.check_cancelled()?;
        let mut buffer = AlignedBuf::zeroed(length as usize);
        self.source.read(at, &mut buffer).map_err(ExportError::Source)?;
        let data = Arc::new(buffer);
        if let Some(hash) = &self.hash {
            hash.send(Piece::Data(Arc::clone(&data))).map_err(|_| ExportError::Internal("the hash stopped"))?;
        }
        // The writer says why it stopped.
        self.pieces.send((at, data)).map_err(|_| ExportError::Internal("the writer stopped"))?;
        self.report(length);
        Ok(())
    }

    /// Zeros need no reading and no writing, only hashing.
    fn skip(&mut self, mut length: u64) -> Result<(), ExportError> {
        while length > 0 {
            let Some(hash) = &self.hash else {
                return Ok(());
            };
            let part = length.min(ZERO_PIECE);
            hash.send(Piece::Zeros(part)).map_err(|_| ExportError::Internal("the hash stopped"))?;
            self.check_cancelled()?;
            self.report(part);
            length -= part;
        }
        Ok(())
    }

    fn report(&mut self, length: u64) {
        self.done += length;
        (self.progress)(self.done, self.planned);
    }

    fn check_cancelled(&self) -> Result<(), ExportError> {
        match self.options.cancel {
            Some(cancel) if cancel.load(Ordering::Relaxed) => Err(ExportError::Cancelled),
            _ => Ok(()),
        }
    }
}

/// The file, and how data becomes its format.
struct Writer {
    file: PartFile,
    layout: Layout,
}

enum Layout {
    Raw(RawOutput),
    Qcow2(Qcow2Output),
}

impl Writer {
    fn begin(file: PartFile, format: Format, size: u64) -> Result<Self, ExportError> {
        let layout = match format {
            Format::Raw => Layout::Raw(RawOutput::begin(&file, size)?),
            Format::Qcow2 => Layout::Qcow2(Qcow2Output::begin(size)?),
        };
        Ok(Self { file, layout })
    }

    /// Writes until the other end hangs up, or an error.
    fn run(mut self, pieces: Receiver<(u64, Arc<AlignedBuf>)>) -> Result<Self, ExportError> {
        for (offset, data) in pieces {
            match &mut self.layout {
                Layout::Raw(raw) => raw.write(&mut self.file, offset, &data)?,
                Layout::Qcow2(qcow2) => qcow2.write(&mut self.file, offset, &data)?,
            }
        }
        Ok(self)
    }

    /// Completes and publishes the file; gives the bytes written.
    fn finish(mut self) -> Result<u64, ExportError> {
        if let Layout::Qcow2(qcow2) = self.layout {
            qcow2.finish(&mut self.file)?;
        }
        let written = self.file.written();
        self.file.publish()?;
        Ok(written)
    }
}
