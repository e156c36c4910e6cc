//! Sending frames: small ones share a system call, large payloads are not copied.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::frame::Header;

/// Bytes gathered before a write to the socket.
const GATHER: usize = 64 << 10;

/// Puts frames on a stream. What was pushed has left only after a flush; both ends flush when their queue is empty.
pub(super) struct Gatherer<W> {
    writer: W,
    gathered: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Gatherer<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, gathered: Vec::with_capacity(GATHER) }
    }

    pub(super) async fn push(&mut self, header: &Header, payload: &[u8], checksum: u32) -> io::Result<()> {
        self.gathered.extend_from_slice(&header.encode_with(payload.len(), checksum));
        if self.gathered.len() + payload.len() <= GATHER {
            self.gathered.extend_from_slice(payload);
            return Ok(());
        }
        self.flush().await?;
        self.writer.write_all(payload).await
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.gathered).await?;
        self.gathered.clear();
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
            gatherer.push(&header, payload, frame::checksum(payload)).await.unwrap();
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
