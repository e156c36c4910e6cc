//! A reader of qcow2 images (versions 2 and 3) for blocking threads; several may share one [`Qcow2Image`].
//!
//! ```text
//!   header ──► L1 table ──► L2 table ──► cluster: data, compressed data, or zeros
//! ```
//!
//! Invariants:
//! - **The file's word is never taken for memory or time.** No allocation is larger than two clusters (4 MiB), each
//!   read follows two table entries and no longer chain, every offset is checked against the file's length before it
//!   is used. A file with any content gives bytes or an [`ImageError`], never a panic.
//! - **No other file is opened.** An image that names a backing file or a data file is refused: whoever made it could
//!   name any file of this host, and a volume would show its content.
//! - **What is cut off does not read as zeros.** A cluster that starts past the end of the file is an error.
//! - **Memory is bounded** by [`TABLE_PAGES`](tables::TABLE_PAGES) pages of tables and [`CLUSTER_BYTES`] of
//!   uncompressed clusters, for images of any size.

mod clusters;
mod compression;
mod entry;
mod header;
mod tables;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use self::clusters::ClusterCache;
use self::entry::{Mapping, SUBCLUSTERS, Source};
use self::header::Header;
use self::tables::Tables;
use super::ImageError;
use crate::disk::DiskError;

/// First bytes of every qcow2 image.
pub(crate) const MAGIC: [u8; 4] = *b"QFI\xfb";

/// Uncompressed clusters that are kept because the next small read wants the same one; at least one cluster is.
const CLUSTER_BYTES: usize = 1 << 20;

/// An open image. Read through the page cache, which all volumes on this image share.
#[derive(Debug)]
pub(crate) struct Qcow2Image {
    file: File,
    path: PathBuf,
    /// Bytes of the file when it was opened. It must not change while it is in use.
    file_length: u64,
    header: Header,
    tables: Tables,
    clusters: ClusterCache,
}

/// A part of a read that one call can answer.
struct Run {
    source: Source,
    length: u64,
}

impl Qcow2Image {
    /// Checks the header and that the L1 table is there. The file is read through `file`; `path` is for messages.
    pub(crate) fn open(file: File, path: &Path) -> Result<Self, ImageError> {
        let path = path.to_path_buf();
        let file_length = file.metadata().map_err(DiskError::at("look at", &path))?.len();
        let mut start = vec![0; header::LENGTH_READ];
        let length = read_up_to(&file, 0, &mut start).map_err(DiskError::at("read", &path))?;
        let header = Header::parse(&start[..length], file_length).map_err(|problem| problem.of(&path))?;
        let clusters = ClusterCache::new(CLUSTER_BYTES);
        Ok(Self { file, path, file_length, header, tables: Tables::default(), clusters })
    }

    /// Virtual size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.header.size
    }

    /// Fills `buffer` from `offset` on; what lies past the virtual size reads as zeros.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        let inside = self.header.size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let (mut rest, past) = buffer.split_at_mut(inside);
        past.fill(0);
        let mut at = offset;
        while !rest.is_empty() {
            let run = self.run_at(at, rest.len() as u64)?;
            let (place, after) = rest.split_at_mut(run.length as usize);
            match run.source {
                Source::Zeros => place.fill(0),
                Source::Data { host } => self.read_data(host, place)?,
                Source::Compressed { host, length } => {
                    let cluster = self.uncompressed(host, length)?;
                    let start = (at & (self.header.cluster_size() - 1)) as usize;
                    place.copy_from_slice(&cluster[start..start + place.len()]);
                }
            }
            at += run.length;
            rest = after;
        }
        Ok(())
    }

    /// Where the bytes from `at` on are, as far as one call can read them, at most `wanted` of them (not zero).
    fn run_at(&self, at: u64, wanted: u64) -> Result<Run, ImageError> {
        let mut run = self.piece_at(at)?;
        while run.length < wanted {
            // A compressed cluster is uncompressed by itself.
            if matches!(run.source, Source::Compressed { .. }) {
                break;
            }
            let next = self.piece_at(at + run.length)?;
            let follows = match (&run.source, &next.source) {
                (Source::Zeros, Source::Zeros) => true,
                (Source::Data { host }, Source::Data { host: next }) => *next == host + run.length,
                _ => false,
            };
            if !follows {
                break;
            }
            run.length += next.length;
        }
        run.length = run.length.min(wanted);
        Ok(run)
    }

    /// Where the byte `at` is, and how many after it are in the same cluster or subcluster.
    fn piece_at(&self, at: u64) -> Result<Run, ImageError> {
        let header = &self.header;
        let in_cluster = at & (header.cluster_size() - 1);
        let piece = if header.extended { header.cluster_size() / SUBCLUSTERS } else { header.cluster_size() };
        let length = piece - at % piece;
        let Some(mapping) = self.mapping(at)? else {
            return Ok(Run { source: Source::Zeros, length });
        };
        let source = mapping.source((in_cluster / piece) as u32, in_cluster).map_err(|why| self.damaged(why))?;
        if let Source::Data { host } | Source::Compressed { host, .. } = source
            && host - (host & (header.cluster_size() - 1)) >= self.file_length
        {
            let (end, path) = (self.file_length, self.path.clone());
            return Err(ImageError::Damaged { path, why: format!("it ends at byte {end}, before its data at {host}") });
        }
        Ok(Run { source, length })
    }

    /// Follows the two tables; `None` where the first one has no second.
    fn mapping(&self, at: u64) -> Result<Option<Mapping>, ImageError> {
        let header = &self.header;
        let cluster = at >> header.cluster_bits;
        let first = self.entry(header.l1_offset + cluster / header.l2_entries() * 8)?;
        let table = entry::l2_table(first, header.cluster_size()).map_err(|why| self.damaged(why))?;
        let Some(table) = table else {
            return Ok(None);
        };
        let place = table + cluster % header.l2_entries() * header.l2_entry_bytes();
        let word = self.entry(place)?;
        let bitmap = if header.extended { Some(self.entry(place + 8)?) } else { None };
        Mapping::parse(word, bitmap, header).map(Some).map_err(|why| self.damaged(why))
    }

    /// A table's entry at a place in the file.
    fn entry(&self, offset: u64) -> Result<u64, ImageError> {
        let found = self.tables.entry(&self.file, offset).map_err(DiskError::at("read a table of", &self.path))?;
        found.ok_or_else(|| self.damaged("it ends before one of its tables does"))
    }

    /// The last cluster of the file need not be there in full.
    fn read_data(&self, host: u64, place: &mut [u8]) -> Result<(), ImageError> {
        let done = read_up_to(&self.file, host, place).map_err(DiskError::at("read", &self.path))?;
        place[done..].fill(0);
        Ok(())
    }

    fn uncompressed(&self, host: u64, length: u64) -> Result<std::sync::Arc<[u8]>, ImageError> {
        if let Some(cluster) = self.clusters.get(host) {
            return Ok(cluster);
        }
        let mut packed = vec![0; length as usize];
        // The length is rounded up to sectors, and the file may end before.
        let found = read_up_to(&self.file, host, &mut packed).map_err(DiskError::at("read", &self.path))?;
        packed.truncate(found);
        let cluster = compression::expand(self.header.compression, &packed, self.header.cluster_size() as usize)
            .ok_or_else(|| self.damaged("a compressed cluster cannot be uncompressed"))?;
        self.clusters.put(host, &cluster);
        Ok(cluster)
    }

    fn damaged(&self, why: &str) -> ImageError {
        ImageError::Damaged { path: self.path.clone(), why: why.to_owned() }
    }
}

/// Fills `buffer` as far as the file goes and tells how far that was.
fn read_up_to(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
