//! Replies of the transmission phase, and how they are sent: those that are ready at the same time share a system call.

use std::io;

use smallvec::SmallVec;
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::sync::mpsc;

use super::context::ALLOCATION_ID;
use super::in_flight::{Counted, Permit};
use super::patience::patiently;
use super::protocol::{
    EXTENDED_REPLY_MAGIC, ErrorNumber, Headers, MAX_STRING_BYTES, SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC,
    allocation_state, chunk,
};
use crate::disk::AlignedBuf;
use crate::frontend::gathered_writer::GatheredWriter;
use crate::frontend::{Allocation, Extent, IoError, IoErrorKind};

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Done,
    /// What was read from the offset of the request on.
    Data(AlignedBuf),
    /// At least one extent, from the offset of the request on; with 32-bit lengths none is longer.
    Status(Vec<Extent>),
    Failed {
        error: ErrorNumber,
        message: String,
    },
}

/// An answer on its way to the client. It keeps its permit until it is written, so that a client which does not
/// read its replies stops being served before it fills our memory.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) request: Asked,
    pub(super) answer: Answer,
    pub(super) permit: Permit,
}

/// By what a client knows which of its requests is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) cookie: u64,
    pub(super) offset: u64,
}

impl Answer {
    /// The answer for an error of the device. Ranges are checked against the size before the device sees them, so
    /// `OutOfRange` means that the volume shrank meanwhile.
    pub(super) fn of_error(error: IoError, is_write: bool) -> Self {
        let number = match error.kind {
            IoErrorKind::OutOfRange if is_write => ErrorNumber::NoSpace,
            IoErrorKind::OutOfRange => ErrorNumber::Invalid,
            IoErrorKind::NoSpace => ErrorNumber::NoSpace,
            IoErrorKind::Io | IoErrorKind::Fenced => ErrorNumber::Io,
            IoErrorKind::Shutdown => ErrorNumber::Shutdown,
        };
        Self::Failed { error: number, message: error.message }
    }
}

const REPLY_LEFT: &str = "it did not read a reply";

/// Data that were read, and the memory they count for.
type Payload = Counted<AlignedBuf>;

/// Writes replies until every sender is gone; then everything has reached the socket.
///
/// # Errors
/// Also when the client does not read. The replies that still wait are dropped then, with what they hold.
pub(super) async fn write_all<W: AsyncWrite + Unpin>(
    headers: Headers,
    mut queue: mpsc::Receiver<Reply>,
    mut writer: BufWriter<W>,
) -> io::Result<()> {
    // What was said before, in the handshake.
    patiently(REPLY_LEFT, writer.flush()).await?;
    let mut writer = GatheredWriter::new(writer.into_inner());
    while let Some(reply) = queue.recv().await {
        put(headers, reply, &mut writer);
        // Only so much together that a client which reads slowly is not taken for one that reads nothing.
        while !writer.has_enough()
            && let Ok(reply) = queue.try_recv()
        {
            put(headers, reply, &mut writer);
        }
        patiently(REPLY_LEFT, writer.flush()).await?;
    }
    patiently(REPLY_LEFT, writer.shutdown()).await
}

fn put<W: AsyncWrite + Unpin>(headers: Headers, reply: Reply, writer: &mut GatheredWriter<W, Payload>) {
    let Reply { request, answer, permit } = reply;
    writer.put(&head(headers, request, &answer));
    if let Answer::Data(data) = answer {
        let length = data.len();
        writer.own(Payload::new(data, Some(permit)));
        writer.put_part(0..length);
    }
}

/// Room for the head of a read's reply: nothing is allocated for it.
type Head = SmallVec<[u8; 40]>;

/// The bytes of a reply up to the data, if there is any.
///
/// | simple | structured | extended |
/// |---|---|---|
/// | magic u32, error u32, cookie u64 | magic u32, flags u16, type u16, cookie u64, length u32 | magic u32, flags u16, type u16, cookie u64, offset u64, length u64 |
///
/// After the latter two, by type: data: offset u64; error: number u32, text length u16, text; status: context u32, then
/// length u32 and state u32 of each extent, or with extended headers count u32, and both of them u64.
fn head(headers: Headers, request: Asked, answer: &Answer) -> Head {
    let mut bytes = Head::new();
    let mut put = Chunk { headers, request, bytes: &mut bytes };
    match (headers, answer) {
        (Headers::Simple, Answer::Done | Answer::Data(_) | Answer::Status(_)) => put_simple(&mut bytes, 0, request),
        (Headers::Simple, Answer::Failed { error, .. }) => put_simple(&mut bytes, *error as u32, request),
        (_, Answer::Data(data)) if !data.is_empty() => {
            put.start(chunk::OFFSET_DATA, 8 + data.len());
            bytes.extend_from_slice(&request.offset.to_be_bytes());
        }
        // A content chunk describes at least one byte, so an empty read is answered like a command without data.
        (_, Answer::Done | Answer::Data(_)) => put.start(chunk::NONE, 0),
        (_, Answer::Status(extents)) => put.status(extents),
        (_, Answer::Failed { error, message }) => {
            let text = &message.as_bytes()[..message.floor_char_boundary(MAX_STRING_BYTES)];
            put.start(chunk::ERROR, 6 + text.len());
            bytes.extend_from_slice(&(*error as u32).to_be_bytes());
            bytes.extend_from_slice(&(text.len() as u16).to_be_bytes());
            bytes.extend_from_slice(text);
        }
    }
    bytes
}

fn put_simple(bytes: &mut Head, error: u32, request: Asked) {
    bytes.extend_from_slice(&SIMPLE_REPLY_MAGIC.to_be_bytes());
    bytes.extend_from_slice(&error.to_be_bytes());
    bytes.extend_from_slice(&request.cookie.to_be_bytes());
}

/// Puts the one chunk of a reply together. It is the last one too, so each carries the flag for that.
struct Chunk<'a> {
    headers: Headers,
    request: Asked,
    bytes: &'a mut Head,
}

impl Chunk<'_> {
    fn start(&mut self, kind: u16, payload_bytes: usize) {
        let extended = self.headers == Headers::Extended;
        let magic = if extended { EXTENDED_REPLY_MAGIC } else { STRUCTURED_REPLY_MAGIC };
        self.bytes.extend_from_slice(&magic.to_be_bytes());
        self.bytes.extend_from_slice(&chunk::DONE.to_be_bytes());
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&self.request.cookie.to_be_bytes());
        if extended {
            self.bytes.extend_from_slice(&self.request.offset.to_be_bytes());
            self.bytes.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        } else {
            self.bytes.extend_from_slice(&(payload_bytes as u32).to_be_bytes());
        }
    }

    fn status(&mut self, extents: &[Extent]) {
        if self.headers == Headers::Extended {
            self.start(chunk::BLOCK_STATUS_EXT, 8 + 16 * extents.len());
            self.bytes.extend_from_slice(&ALLOCATION_ID.to_be_bytes());
            self.bytes.extend_from_slice(&(extents.len() as u32).to_be_bytes());
            for extent in extents {
                self.bytes.extend_from_slice(&extent.length.to_be_bytes());
                self.bytes.extend_from_slice(&u64::from(state_of(*extent)).to_be_bytes());
            }
            return;
        }
        self.start(chunk::BLOCK_STATUS, 4 + 8 * extents.len());
        self.bytes.extend_from_slice(&ALLOCATION_ID.to_be_bytes());
        for extent in extents {
            // The request's length was of 32 bits, and no extent is longer.
            self.bytes.extend_from_slice(&(extent.length as u32).to_be_bytes());
            self.bytes.extend_from_slice(&state_of(*extent).to_be_bytes());
        }
    }
}

fn state_of(extent: Extent) -> u32 {
    match extent.state {
        Allocation::Data => 0,
        Allocation::Hole => allocation_state::HOLE | allocation_state::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::super::export::MAX_PAYLOAD_BYTES;
    use super::super::in_flight::{InFlight, Pool};
    use super::*;

    const REQUEST: Asked = Asked { cookie: 7, offset: 4096 };

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_cut_off_and_gives_back_what_it_held() {
        let in_flight = InFlight::new(Pool::new());
        let (replies, queue) = mpsc::channel(2);
        for cookie in 0..2 {
            let permit = in_flight.admit(MAX_PAYLOAD_BYTES / 2).await.unwrap();
            let answer = Answer::Data(AlignedBuf::zeroed(1 << 20));
            let request = Asked { cookie, offset: 0 };
            replies.send(Reply { request, answer, permit }).await.unwrap();
        }
        assert!(in_flight.admit(MAX_PAYLOAD_BYTES).now_or_never().is_none());
        let (server, client) = tokio::io::duplex(4096);
        // It ends although more replies could come.
        let outcome = write_all(Headers::Simple, queue, BufWriter::new(server)).await;
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(in_flight.admit(MAX_PAYLOAD_BYTES).now_or_never().is_some(), "its memory is free for others");
        drop((client, replies));
    }

    fn bytes_of(headers: Headers, answer: &Answer) -> Vec<u8> {
        head(headers, REQUEST, answer).to_vec()
    }

    #[test]
    fn golden_bytes() {
        assert_eq!(
            bytes_of(Headers::Simple, &Answer::Done),
            [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]
        );
        let data = Answer::Data(AlignedBuf::zeroed(512));
        assert_eq!(
            bytes_of(Headers::Structured, &data),
            [0x66, 0x8e, 0x33, 0xef, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 2, 8, 0, 0, 0, 0, 0, 0, 0x10, 0]
        );
        let failed = Answer::Failed { error: ErrorNumber::NoSpace, message: "full".into() };
        assert_eq!(
            bytes_of(Headers::Structured, &failed),
            [
                0x66, 0x8e, 0x33, 0xef, 0, 1, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 10, 0, 0, 0, 28, 0, 4, b'f',
                b'u', b'l', b'l'
            ]
        );
    }

    #[test]
    fn extended_golden_bytes() {
        let start = |kind: u8, length: u8| {
            let header = [0x6e, 0x8a, 0x27, 0x8c, 0, 1, 0, kind, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0x10, 0];
            [&header[..], &[0, 0, 0, 0, 0, 0, 0, length]].concat()
        };
        assert_eq!(bytes_of(Headers::Extended, &Answer::Done), start(0, 0));
        let data = Answer::Data(AlignedBuf::zeroed(16));
        assert_eq!(bytes_of(Headers::Extended, &data), [&start(1, 24)[..], &[0, 0, 0, 0, 0, 0, 0x10, 0]].concat());
    }

    #[test]
    fn status_golden_bytes() {
        let extents =
            [Extent { length: 4096, state: Allocation::Data }, Extent { length: 512, state: Allocation::Hole }];
        let answer = Answer::Status(extents.to_vec());
        assert_eq!(
            bytes_of(Headers::Structured, &answer)[4..],
            [
                0, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0,
                0, 0, 3
            ]
        );
        assert_eq!(
            bytes_of(Headers::Extended, &answer)[24..],
            [
                0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3
            ]
        );
    }

    #[test]
    fn an_empty_read_in_chunks_has_no_content_chunk() {
        let empty = Answer::Data(AlignedBuf::default());
        assert_eq!(bytes_of(Headers::Structured, &empty), bytes_of(Headers::Structured, &Answer::Done));
    }

    #[test]
    fn the_head_of_a_read_is_not_on_the_heap() {
        for headers in [Headers::Simple, Headers::Structured, Headers::Extended] {
            assert!(!head(headers, REQUEST, &Answer::Data(AlignedBuf::zeroed(512))).spilled());
        }
    }
}
