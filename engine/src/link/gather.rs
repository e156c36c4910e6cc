//! Sending frames: those that wait share a system call, and no payload is copied.

use std::io::{self, IoSlice};

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::frame::{HEADER_LENGTH, Header};

/// Bytes gathered before a write to the socket.
const GATHER: usize = 64 << 10;

/// Puts frames on a stream. What was pushed has left only after a flush; both ends flush when their queue is empty.
pub(super) struct Gatherer<W, P> {
    writer: W,
    frames: Vec<([u8; HEADER_LENGTH], P)>,
    bytes: usize,
}

impl<W: AsyncWrite + Unpin, P: AsRef<[u8]>> Gatherer<W, P> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, frames: Vec::new(), bytes: 0 }
    }

    /// The stream, with everything on it that was flushed.
    pub(super) fn into_inner(self) -> W {
        self.writer
    }

    /// Takes a frame with the payload's checksum.
    pub(super) async fn push(&mut self, header: &Header, payload: P, checksum: u32) -> io::Result<()> {
        let length = payload.as_ref().len();
        self.frames.push((header.encode_with(length, checksum), payload));
        self.bytes += HEADER_LENGTH + length;
        if self.bytes >= GATHER { self.flush().await } else { Ok(()) }
    }

    /// Sends bytes before anything else that is pushed later.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush().await?;
        self.writer.write_all(bytes).await
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(2 * self.frames.len());
        for (head, payload) in &self.frames {
            slices.push(IoSlice::new(head));
            if !payload.as_ref().is_empty() {
                slices.push(IoSlice::new(payload.as_ref()));
            }
        }
        let mut left = &mut slices[..];
        while !left.is_empty() {
            match self.writer.write_vectored(left).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => IoSlice::advance_slices(&mut left, written),
            }
        }
        self.frames.clear();
        self.bytes = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::frame::{self, Kind};

    #[tokio::test]
    async fn frames_of_every_size_arrive_whole_and_in_order() {
        let payloads: Vec<Vec<u8>> = [0, 1, 4096, GATHER - 1, GATHER, 3 * GATHER, 7]
            .iter()
            .map(|&length| vec![length as u8 ^ 0x5a; length])
            .collect();
        let mut wire = Vec::new();
        let mut gatherer = Gatherer::new(&mut wire);
        for (id, payload) in (0..).zip(&payloads) {
            let header = Header { kind: Kind::Write, stable: false, may_unmap: false, id, offset: 0, length: 0 };
            gatherer.push(&header, payload.as_slice(), frame::checksum(payload)).await.unwrap();
        }
        gatherer.flush().await.unwrap();
        let mut stream = wire.as_slice();
        for (id, payload) in (0..).zip(&payloads) {
            let (header, read) = frame::read(&mut stream).await.unwrap().unwrap();
            assert_eq!((header.id, &read[..]), (id, &payload[..]));
        }
        assert!(frame::read(&mut stream).await.unwrap().is_none());
    }
}
