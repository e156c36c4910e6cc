//! Replies of the transmission phase, and the task that writes them.

use std::io;

use bytes::BufMut;
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::sync::mpsc;

use super::in_flight::Permit;
use super::protocol::{ErrorNumber, MAX_STRING_BYTES, SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC, chunk};
use crate::disk::AlignedBuf;
use crate::frontend::{IoError, IoErrorKind};

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Done,
    Data { offset: u64, data: AlignedBuf },
    Failed { error: ErrorNumber, message: String },
}

/// An answer on its way to the client. It keeps its permit until it is written, so that a client which does not
/// read its replies stops being served before it fills our memory.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) cookie: u64,
    pub(super) answer: Answer,
    pub(super) permit: Permit,
}

/// How replies look on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyStyle {
    Simple,
    Structured,
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

/// Writes replies until every sender is gone; then everything has reached the socket.
pub(super) async fn write_all<W: AsyncWrite + Unpin>(
    style: ReplyStyle,
    mut queue: mpsc::Receiver<Reply>,
    mut writer: BufWriter<W>,
) -> io::Result<()> {
    while let Some(reply) = queue.recv().await {
        write(style, reply, &mut writer).await?;
        // What is ready now shares one system call.
        while let Ok(reply) = queue.try_recv() {
            write(style, reply, &mut writer).await?;
        }
        writer.flush().await?;
    }
    writer.shutdown().await
}

async fn write<W: AsyncWrite + Unpin>(style: ReplyStyle, reply: Reply, writer: &mut BufWriter<W>) -> io::Result<()> {
    let Reply { cookie, answer, permit } = reply;
    writer.write_all(&head(style, cookie, &answer)).await?;
    if let Answer::Data { data, .. } = &answer {
        writer.write_all(data).await?;
    }
    drop(permit);
    Ok(())
}

/// The bytes of a reply up to the data, if there is any.
///
/// | simple | structured |
/// |---|---|
/// | magic u32, error u32, cookie u64 | magic u32, flags u16, type u16, cookie u64, length u32, then by type: data: offset u64; error: number u32, text length u16, text |
fn head(style: ReplyStyle, cookie: u64, answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    match (style, answer) {
        (ReplyStyle::Simple, Answer::Done | Answer::Data { .. }) => put_simple(&mut bytes, 0, cookie),
        (ReplyStyle::Simple, Answer::Failed { error, .. }) => put_simple(&mut bytes, *error as u32, cookie),
        (ReplyStyle::Structured, Answer::Data { offset, data }) if !data.is_empty() => {
            put_chunk(&mut bytes, chunk::OFFSET_DATA, cookie, 8 + data.len());
            bytes.put_u64(*offset);
        }
        // A content chunk describes at least one byte, so an empty read is answered like a command without data.
        (ReplyStyle::Structured, Answer::Done | Answer::Data { .. }) => put_chunk(&mut bytes, chunk::NONE, cookie, 0),
        (ReplyStyle::Structured, Answer::Failed { error, message }) => {
            let text = &message.as_bytes()[..message.floor_char_boundary(MAX_STRING_BYTES)];
            put_chunk(&mut bytes, chunk::ERROR, cookie, 6 + text.len());
            bytes.put_u32(*error as u32);
            bytes.put_u16(text.len() as u16);
            bytes.put_slice(text);
        }
    }
    bytes
}

fn put_simple(bytes: &mut Vec<u8>, error: u32, cookie: u64) {
    bytes.put_u32(SIMPLE_REPLY_MAGIC);
    bytes.put_u32(error);
    bytes.put_u64(cookie);
}

/// Every reply here is one chunk, so each carries the flag of the last one.
fn put_chunk(bytes: &mut Vec<u8>, kind: u16, cookie: u64, payload_bytes: usize) {
    bytes.put_u32(STRUCTURED_REPLY_MAGIC);
    bytes.put_u16(chunk::DONE);
    bytes.put_u16(kind);
    bytes.put_u64(cookie);
    bytes.put_u32(payload_bytes as u32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        assert_eq!(
            head(ReplyStyle::Simple, 7, &Answer::Done),
            [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]
        );
        let data = Answer::Data { offset: 4096, data: AlignedBuf::zeroed(512) };
        assert_eq!(
            head(ReplyStyle::Structured, 7, &data),
            [0x66, 0x8e, 0x33, 0xef, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 2, 8, 0, 0, 0, 0, 0, 0, 0x10, 0]
        );
        let failed = Answer::Failed { error: ErrorNumber::NoSpace, message: "full".into() };
        assert_eq!(
            head(ReplyStyle::Structured, 7, &failed),
            [
                0x66, 0x8e, 0x33, 0xef, 0, 1, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 10, 0, 0, 0, 28, 0, 4, b'f',
                b'u', b'l', b'l'
            ]
        );
    }

    #[test]
    fn an_empty_structured_read_has_no_content_chunk() {
        let empty = Answer::Data { offset: 0, data: AlignedBuf::default() };
        assert_eq!(head(ReplyStyle::Structured, 1, &empty), head(ReplyStyle::Structured, 1, &Answer::Done));
    }
}
