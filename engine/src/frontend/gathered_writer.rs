//! Many messages in one system call, without copying their payloads.

use std::io::{self, IoSlice};
use std::ops::Range;

use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Payloads up to this size are copied: a piece of its own costs the kernel about as much.
const COPIED_BYTES: usize = 512;
/// Pieces of one system call; far below the kernel's 1024.
const MAX_PIECES: usize = 64;
/// Bytes after which what was gathered is worth a system call of its own.
const ENOUGH_BYTES: usize = 256 << 10;

/// Collects messages; they leave with [`GatheredWriter::flush`], or earlier when there is enough of them. `B` owns a
/// payload, and is dropped when its bytes have been handed to the kernel.
pub(super) struct GatheredWriter<W, B> {
    writer: W,
    pieces: Vec<Piece>,
    copied: Vec<u8>,
    owned: Vec<B>,
    bytes: usize,
}

enum Piece {
    /// Bytes of `copied`.
    Copied(Range<usize>),
    /// Bytes of one of `owned`.
    Owned(usize, Range<usize>),
}

impl<W: AsyncWrite + Unpin, B: AsRef<[u8]>> GatheredWriter<W, B> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, pieces: Vec::new(), copied: Vec::new(), owned: Vec::new(), bytes: 0 }
    }

    /// Adds bytes that are copied.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let start = self.copied.len();
        self.copied.extend_from_slice(bytes);
        self.copied_since(start);
    }

    /// Hands over a payload whose parts [`GatheredWriter::put_part`] then adds.
    pub(super) fn own(&mut self, payload: B) {
        self.owned.push(payload);
    }

    /// Adds a part of the payload that was handed over last.
    pub(super) fn put_part(&mut self, range: Range<usize>) {
        let Some(owner) = self.owned.len().checked_sub(1) else { return };
        if range.len() > COPIED_BYTES {
            self.bytes += range.len();
            self.pieces.push(Piece::Owned(owner, range));
            return;
        }
        let start = self.copied.len();
        self.copied.extend_from_slice(&self.owned[owner].as_ref()[range]);
        self.copied_since(start);
    }

    /// Makes what was copied part of the last piece, or a piece of its own. There are no empty pieces: writing one would
    /// look like a stream that takes nothing more.
    fn copied_since(&mut self, start: usize) {
        let end = self.copied.len();
        self.bytes += end - start;
        match self.pieces.last_mut() {
            _ if start == end => {}
            Some(Piece::Copied(range)) => range.end = end,
            _ => self.pieces.push(Piece::Copied(start..end)),
        }
    }

    /// The payload that was handed over last.
    pub(super) fn last_owned(&self) -> &[u8] {
        self.owned.last().map(AsRef::as_ref).unwrap_or_default()
    }

    pub(super) fn has_enough(&self) -> bool {
        self.bytes >= ENOUGH_BYTES || self.pieces.len() >= MAX_PIECES
    }

    /// Returns when the kernel has everything, what a layer in between (TLS) kept back included.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let mut next = 0;
        while next < self.pieces.len() {
            let end = self.pieces.len().min(next + MAX_PIECES);
            let mut slices = [IoSlice::new(&[]); MAX_PIECES];
            for (slice, piece) in slices.iter_mut().zip(&self.pieces[next..end]) {
                *slice = IoSlice::new(match piece {
                    Piece::Copied(range) => &self.copied[range.clone()],
                    Piece::Owned(owner, range) => &self.owned[*owner].as_ref()[range.clone()],
                });
            }
            write_all(&mut self.writer, &mut slices[..end - next]).await?;
            next = end;
        }
        self.writer.flush().await?;
        self.pieces.clear();
        self.copied.clear();
        self.owned.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Says that nothing more will come.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        self.writer.shutdown().await
    }
}

async fn write_all<W: AsyncWrite + Unpin>(writer: &mut W, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match writer.write_vectored(slices).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut slices, written),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_at_the_end_of_a_full_batch_is_no_write() {
        let mut wire = Vec::new();
        let mut writer = GatheredWriter::new(&mut wire);
        for _ in 0..MAX_PIECES / 2 {
            writer.put(b"head");
            writer.own(vec![7; 4096]);
            writer.put_part(0..4096);
            writer.put(&[]);
            writer.put_part(4096..4096);
        }
        writer.flush().await.unwrap();
        assert_eq!(wire.len(), MAX_PIECES / 2 * 4100);
    }

    #[tokio::test]
    async fn pieces_of_every_size_arrive_whole_and_in_order() {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        let mut writer = GatheredWriter::new(&mut wire);
        for round in 0..100u8 {
            for length in [0, 1, COPIED_BYTES, COPIED_BYTES + 1, 5000] {
                let payload = vec![round; length];
                writer.put(&[round, 0xaa]);
                expected.extend([round, 0xaa]);
                writer.own(payload.clone());
                let middle = length / 2;
                writer.put_part(0..middle);
                writer.put(b"-");
                writer.put_part(middle..length);
                expected.extend_from_slice(&payload[..middle]);
                expected.push(b'-');
                expected.extend_from_slice(&payload[middle..]);
            }
            if writer.has_enough() {
                writer.flush().await.unwrap();
            }
        }
        writer.flush().await.unwrap();
        assert!(wire == expected);
    }
}
