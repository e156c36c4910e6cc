//! What of NBD the forwarder speaks: the oldest handshake, which every client falls back to, and simple replies.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::message::WRITE;

pub(super) const HEADER_BYTES: usize = 28;

#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) kind: u16,
    pub(super) cookie: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// The first request of `bytes`, and how many of them it takes with its payload, if all of it is there.
pub(super) fn first(bytes: &[u8]) -> Option<(Request, usize)> {
    let (head, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let number = |at: Range<usize>| head[at].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    let kind = number(6..8) as u16;
    let request = Request { kind, cookie: number(8..16), offset: number(16..24), length: number(24..28) as u32 };
    let payload = if kind == WRITE { request.length as usize } else { 0 };
    (payload <= rest.len()).then_some((request, HEADER_BYTES + payload))
}

/// What was read follows it.
pub(super) fn put_reply(into: &mut Vec<u8>, cookie: u64) {
    into.extend_from_slice(&0x6744_6698_u32.to_be_bytes());
    into.extend_from_slice(&0_u32.to_be_bytes());
    into.extend_from_slice(&cookie.to_be_bytes());
}

/// False when the client leaves.
pub(super) async fn handshake(stream: &mut TcpStream, size: u64) -> io::Result<bool> {
    const FIXED_NO_ZEROES: u16 = 3;
    const HAS_FLAGS_FLUSH: u16 = 5;
    const EXPORT_NAME: u32 = 1;
    const ABORT: u32 = 2;
    stream.write_all(b"NBDMAGICIHAVEOPT").await?;
    stream.write_u16(FIXED_NO_ZEROES).await?;
    stream.read_u32().await?;
    loop {
        stream.read_u64().await?;
        let (option, length) = (stream.read_u32().await?, stream.read_u32().await?);
        stream.read_exact(&mut vec![0; length as usize]).await?;
        match option {
            EXPORT_NAME => {
                stream.write_u64(size).await?;
                stream.write_u16(HAS_FLAGS_FLUSH).await?;
                return Ok(true);
            }
            ABORT => return Ok(false),
            _ => {
                stream.write_u64(0x0003_e889_0455_65a9).await?;
                stream.write_u32(option).await?;
                // Not supported.
                stream.write_u32(0x8000_0001).await?;
                stream.write_u32(0).await?;
            }
        }
    }
}
