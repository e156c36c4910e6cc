//! Reading PDUs from a connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use super::digest::{self, DIGEST_BYTES, Digests};
use super::pdu::{HEADER_BYTES, Header, padding};

/// Several small PDUs share one system call.
const READ_BUFFER_BYTES: usize = 128 << 10;
/// The rest of a data segment that is at least so long goes straight to its place: copying it from the buffer would cost
/// more than the system call.
const DIRECT_BYTES: usize = 16 << 10;
/// Most bytes of additional header segments that a header can announce.
const MAX_ADDITIONAL_BYTES: usize = 255 * 4;
/// A header announces data that its sender has at hand. Whoever stops in the middle for so long is gone.
const SEGMENT_PATIENCE: Duration = Duration::from_secs(60);

/// Why nothing more can be read from a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nothing after the header can be found again, so the connection ends (RFC 7143, section 7.7).
    #[error("a header does not match its digest: the connection corrupts data or the initiator is faulty")]
    HeaderDigest,
    #[error("{what} from the initiator did not arrive within {} s", SEGMENT_PATIENCE.as_secs())]
    Stalled { what: &'static str },
}

/// Whether a data segment arrived as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Arrival {
    Intact,
    /// It does not match its digest.
    Corrupt,
}

/// Reads the PDUs of one connection. After [`PduReader::header`] the data segment has to be read or skipped.
pub(super) struct PduReader<R> {
    reader: BufReader<R>,
    digests: Digests,
    /// Header, additional segments and digest, as far as they have arrived.
    bytes: [u8; HEADER_BYTES + MAX_ADDITIONAL_BYTES + DIGEST_BYTES],
    filled: usize,
}

impl<R: AsyncRead + Unpin> PduReader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(READ_BUFFER_BYTES, reader),
            digests: Digests::default(),
            bytes: [0; HEADER_BYTES + MAX_ADDITIONAL_BYTES + DIGEST_BYTES],
            filled: 0,
        }
    }

    /// From the next PDU on.
    pub(super) fn use_digests(&mut self, digests: Digests) {
        self.digests = digests;
    }

    /// The next header; `None` when the initiator hung up between PDUs. May be dropped while it waits.
    pub(super) async fn header(&mut self) -> Result<Option<Header>, WireError> {
        loop {
            let needed = self.header_bytes_needed();
            if self.filled == needed {
                break;
            }
            let read = self.reader.read(&mut self.bytes[self.filled..needed]).await?;
            match (read, self.filled) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                _ => self.filled += read,
            }
        }
        self.checked_header().map(Some)
    }

    /// The next header if all of it has arrived already: whoever has many of them at hand need not look at anything else
    /// for each.
    pub(super) fn header_at_hand(&mut self) -> Result<Option<Header>, WireError> {
        loop {
            let needed = self.header_bytes_needed();
            if self.filled == needed {
                return self.checked_header().map(Some);
            }
            let missing = needed - self.filled;
            let Some(bytes) = self.reader.buffer().get(..missing) else { return Ok(None) };
            self.bytes[self.filled..needed].copy_from_slice(bytes);
            self.reader.consume(missing);
            self.filled = needed;
        }
    }

    /// The header that has arrived in full.
    fn checked_header(&mut self) -> Result<Header, WireError> {
        let header = self.basic_header();
        let covered = HEADER_BYTES + header.additional_header_bytes();
        let sent = std::mem::take(&mut self.filled);
        if sent > covered && digest::of_header(&self.bytes[..covered]) != self.bytes[covered..sent] {
            return Err(WireError::HeaderDigest);
        }
        Ok(header)
    }

    /// The additional header segments of the header that was returned last.
    pub(super) fn additional_segments(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..HEADER_BYTES + self.basic_header().additional_header_bytes()]
    }

    fn basic_header(&self) -> Header {
        Header::of_bytes(std::array::from_fn(|index| self.bytes[index]))
    }

    /// Known in full only when the basic header is there.
    fn header_bytes_needed(&self) -> usize {
        if self.filled < HEADER_BYTES {
            return HEADER_BYTES;
        }
        let digest = if self.digests.header { DIGEST_BYTES } else { 0 };
        HEADER_BYTES + usize::from(self.bytes[4]) * 4 + digest
    }

    /// Reads a whole data segment: as much of it as fits into `place`; the rest is read past.
    pub(super) async fn data(&mut self, segment_bytes: usize, place: &mut [u8]) -> Result<Arrival, WireError> {
        if segment_bytes == 0 {
            return Ok(Arrival::Intact);
        }
        let kept = segment_bytes.min(place.len());
        let place = &mut place[..kept];
        if let Some(arrival) = self.data_at_hand(segment_bytes, place) {
            return Ok(arrival);
        }
        let reading = async {
            self.fill(place).await?;
            self.finish_segment(place, segment_bytes - kept).await
        };
        tokio::time::timeout(SEGMENT_PATIENCE, reading)
            .await
            .map_err(|_| WireError::Stalled { what: "a data segment" })?
    }

    /// The data segment if all of it has arrived already. `place` is as long as what is kept of it.
    fn data_at_hand(&mut self, segment_bytes: usize, place: &mut [u8]) -> Option<Arrival> {
        let covered = segment_bytes + padding(segment_bytes);
        let sent = covered + if self.digests.data { DIGEST_BYTES } else { 0 };
        let bytes = self.reader.buffer().get(..sent)?;
        place.copy_from_slice(&bytes[..place.len()]);
        let is_intact = sent == covered || crc32c::crc32c(&bytes[..covered]).to_le_bytes() == bytes[covered..];
        self.reader.consume(sent);
        Some(if is_intact { Arrival::Intact } else { Arrival::Corrupt })
    }

    async fn fill(&mut self, mut place: &mut [u8]) -> io::Result<()> {
        while !place.is_empty() {
            let goes_straight = self.reader.buffer().is_empty() && place.len() >= DIRECT_BYTES;
            let read =
                if goes_straight { self.reader.get_mut().read(place).await? } else { self.reader.read(place).await? };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            place = &mut place[read..];
        }
        Ok(())
    }

    /// Reads past a data segment.
    pub(super) async fn skip(&mut self, segment_bytes: usize) -> Result<Arrival, WireError> {
        self.data(segment_bytes, &mut []).await
    }

    /// What follows the kept part: the rest of the data, padding, digest.
    async fn finish_segment(&mut self, kept: &[u8], mut unwanted: usize) -> Result<Arrival, WireError> {
        let mut tail = [0; 3 + DIGEST_BYTES];
        let padding = padding(kept.len() + unwanted);
        let mut checksum = if self.digests.data { crc32c::crc32c(kept) } else { 0 };
        while unwanted > 0 {
            let buffered = self.reader.fill_buf().await?;
            if buffered.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let length = unwanted.min(buffered.len());
            checksum = crc32c::crc32c_append(checksum, &buffered[..length]);
            self.reader.consume(length);
            unwanted -= length;
        }
        let tail = &mut tail[..padding + if self.digests.data { DIGEST_BYTES } else { 0 }];
        if tail.is_empty() {
            return Ok(Arrival::Intact);
        }
        self.reader.read_exact(tail).await?;
        let (padding, sent) = tail.split_at(padding);
        let checksum = crc32c::crc32c_append(checksum, padding).to_le_bytes();
        Ok(if sent.is_empty() || sent == checksum { Arrival::Intact } else { Arrival::Corrupt })
    }

    /// Reads until the initiator hangs up, and throws it away.
    pub(super) async fn drain(mut self) {
        while let Ok(buffered) = self.reader.fill_buf().await {
            let length = buffered.len();
            if length == 0 {
                return;
            }
            self.reader.consume(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::iscsi::pdu::request;

    fn pdu(data: &[u8], additional: &[u8], digests: Digests) -> Vec<u8> {
        let mut header = Header::response(request::SCSI_COMMAND, 9).with_byte(4, (additional.len() / 4) as u8);
        header.set_data_bytes(data.len());
        let mut bytes = [header.bytes().as_slice(), additional].concat();
        if digests.header {
            bytes.extend(digest::of_header(&bytes));
        }
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(&[0; 3][..padding(data.len())]);
        if digests.data {
            bytes.extend(digest::of_data(data));
        }
        bytes
    }

    #[tokio::test]
    async fn pdus_follow_each_other_with_every_digest() {
        for digests in [(false, false), (true, false), (false, true), (true, true)] {
            let digests = Digests { header: digests.0, data: digests.1 };
            let wire =
                [pdu(b"hello", b"ahs!", digests), pdu(&[7; 9000], &[], digests), pdu(b"x", &[], digests)].concat();
            let mut reader = PduReader::new(wire.as_slice());
            reader.use_digests(digests);
            let first = reader.header().await.unwrap().unwrap();
            assert_eq!(reader.additional_segments(), b"ahs!");
            let mut place = [0; 3];
            assert_eq!(reader.data(first.data_bytes(), &mut place).await.unwrap(), Arrival::Intact);
            assert_eq!(&place, b"hel");
            let second = reader.header().await.unwrap().unwrap();
            assert_eq!(reader.skip(second.data_bytes()).await.unwrap(), Arrival::Intact);
            let third = reader.header_at_hand().unwrap().unwrap();
            let mut place = [0; 10];
            assert_eq!(reader.data(third.data_bytes(), &mut place).await.unwrap(), Arrival::Intact);
            assert_eq!(place[..2], *b"x\0");
            assert!(reader.header_at_hand().unwrap().is_none());
            assert!(reader.header().await.unwrap().is_none());
        }
    }

    /// A socket that has a little at a time.
    #[tokio::test]
    async fn what_comes_in_pieces_is_put_together() {
        let digests = Digests { header: true, data: true };
        let data: Vec<u8> = (0..300_001_u32).map(|at| (at % 251) as u8).collect();
        let wire = [pdu(&data, b"ahs!", digests), pdu(b"x", &[], digests)].concat();
        for piece in [1, 47, 4096, 70_000] {
            let (ours, mut theirs) = tokio::io::duplex(piece);
            let sent = wire.clone();
            let sending = tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut theirs, &sent).await });
            let mut reader = PduReader::new(ours);
            reader.use_digests(digests);
            let mut place = vec![0; data.len()];
            reader.header().await.unwrap().unwrap();
            assert_eq!(reader.data(data.len(), &mut place).await.unwrap(), Arrival::Intact);
            assert!(place == data);
            reader.header().await.unwrap().unwrap();
            assert_eq!(reader.data(1, &mut place).await.unwrap(), Arrival::Intact);
            sending.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn corruption_is_noticed_where_it_is() {
        let digests = Digests { header: true, data: true };
        let mut wire = pdu(&[7; 100], &[], digests);
        wire[60] ^= 1;
        let mut reader = PduReader::new(wire.as_slice());
        reader.use_digests(digests);
        reader.header().await.unwrap().unwrap();
        assert_eq!(reader.data(100, &mut [0; 100]).await.unwrap(), Arrival::Corrupt);
        wire[20] ^= 1;
        let mut reader = PduReader::new(wire.as_slice());
        reader.use_digests(digests);
        assert!(matches!(reader.header().await, Err(WireError::HeaderDigest)));
    }
}
