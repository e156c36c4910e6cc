//! Requests of the transmission phase: a header to a checked piece of work.
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | magic |
//! | 4–5 | flags |
//! | 6–7 | command |
//! | 8–15 | cookie, opaque |
//! | 16–23 | offset |
//! | 24–27, or 24–31 with extended headers | length |
//!
//! A payload of that length follows a write; with extended headers it follows whatever has the flag for it, and the
//! length of everything else may be any number of bytes of the volume.

use bytes::Buf;

use super::export::MAX_PAYLOAD_BYTES;
use super::protocol::{EXTENDED_REQUEST_MAGIC, ErrorNumber, Headers, REQUEST_MAGIC, command, command_flag as flag};
use crate::frontend::Durability;

/// The longest header.
pub(super) const HEADER_BYTES: usize = 32;

/// Length of a request's header.
pub(super) fn header_bytes(headers: Headers) -> usize {
    match headers {
        Headers::Simple | Headers::Structured => 28,
        Headers::Extended => HEADER_BYTES,
    }
}

/// A header as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestHeader {
    pub(super) flags: u16,
    pub(super) command: u16,
    pub(super) cookie: u64,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// What to do on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Read {
        offset: u64,
        length: u32,
    },
    /// `length` bytes of payload follow the header.
    Write {
        offset: u64,
        length: u32,
        durability: Durability,
    },
    Flush,
    Discard {
        offset: u64,
        length: u64,
        durability: Durability,
    },
    WriteZeroes {
        offset: u64,
        length: u64,
        may_unmap: bool,
        /// Only if that is quick, else not at all.
        fast: bool,
        durability: Durability,
    },
    /// Where is data? `one`: the first extent is enough.
    BlockStatus {
        offset: u64,
        length: u64,
        one: bool,
    },
    /// Nothing to do: there is no cache that could be filled.
    Cache,
    /// No more requests will come; there is no reply.
    Disconnect,
}

/// A request that is answered with an error and not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) error: ErrorNumber,
    pub(super) message: String,
}

impl RequestHeader {
    /// Reads [`header_bytes`] bytes. `None`: this is not a request, the stream is out of step.
    pub(super) fn parse(mut bytes: &[u8], headers: Headers) -> Option<Self> {
        let magic = bytes.try_get_u32().ok()?;
        let extended = headers == Headers::Extended;
        if magic != if extended { EXTENDED_REQUEST_MAGIC } else { REQUEST_MAGIC } {
            return None;
        }
        Some(Self {
            flags: bytes.try_get_u16().ok()?,
            command: bytes.try_get_u16().ok()?,
            cookie: bytes.try_get_u64().ok()?,
            offset: bytes.try_get_u64().ok()?,
            length: if extended { bytes.try_get_u64().ok()? } else { bytes.try_get_u32().ok()?.into() },
        })
    }

    /// Bytes that follow the header, whether or not the request is any good.
    pub(super) fn payload_bytes(&self, headers: Headers) -> u64 {
        let has_payload = match headers {
            Headers::Simple | Headers::Structured => self.command == command::WRITE,
            Headers::Extended => self.flags & flag::PAYLOAD_LEN != 0,
        };
        if has_payload { self.length } else { 0 }
    }

    /// Checks the request against a device of `size_bytes`.
    pub(super) fn work(&self, size_bytes: u64, headers: Headers) -> Result<Work, Rejection> {
        self.check_flags(headers)?;
        let (offset, length, durability) = (self.offset, self.length, self.durability());
        match self.command {
            command::READ => {
                let length = self.payload(headers)?;
                self.check_range(size_bytes, ErrorNumber::Invalid)?;
                Ok(Work::Read { offset, length })
            }
            command::WRITE => {
                let length = self.payload(headers)?;
                self.check_range(size_bytes, ErrorNumber::NoSpace)?;
                Ok(Work::Write { offset, length, durability })
            }
            command::DISCONNECT => Ok(Work::Disconnect),
            command::FLUSH if offset != 0 || length != 0 => {
                Err(rejection(ErrorNumber::Invalid, "a flush has offset and length 0".into()))
            }
            command::FLUSH => Ok(Work::Flush),
            command::TRIM => {
                self.check_range(size_bytes, ErrorNumber::Invalid)?;
                Ok(Work::Discard { offset, length, durability })
            }
            command::CACHE => {
                self.check_range(size_bytes, ErrorNumber::Invalid)?;
                Ok(Work::Cache)
            }
            command::WRITE_ZEROES => {
                self.check_range(size_bytes, ErrorNumber::NoSpace)?;
                let (may_unmap, fast) = (self.flags & flag::NO_HOLE == 0, self.flags & flag::FAST_ZERO != 0);
                Ok(Work::WriteZeroes { offset, length, may_unmap, fast, durability })
            }
            command::BLOCK_STATUS if length == 0 => {
                Err(rejection(ErrorNumber::Invalid, "a question for the status of no byte".into()))
            }
            command::BLOCK_STATUS => {
                self.check_range(size_bytes, ErrorNumber::Invalid)?;
                Ok(Work::BlockStatus { offset, length, one: self.flags & flag::REQ_ONE != 0 })
            }
            other => Err(rejection(ErrorNumber::Invalid, format!("command {other} is not known here"))),
        }
    }

    fn durability(&self) -> Durability {
        if self.flags & flag::FUA == 0 { Durability::Written } else { Durability::Stable }
    }

    fn check_flags(&self, headers: Headers) -> Result<(), Rejection> {
        let (needed, allowed) = match self.command {
            command::READ if headers.has_chunks() => (0, flag::DF),
            command::WRITE if headers == Headers::Extended => (flag::PAYLOAD_LEN, flag::PAYLOAD_LEN),
            command::WRITE_ZEROES => (0, flag::NO_HOLE | flag::FAST_ZERO),
            command::BLOCK_STATUS => (0, flag::REQ_ONE),
            _ => (0, 0),
        };
        if self.flags & !(allowed | flag::FUA) != 0 || self.flags & needed != needed {
            let message = format!("flags {:#x} do not fit command {}", self.flags, self.command);
            return Err(rejection(ErrorNumber::Invalid, message));
        }
        Ok(())
    }

    /// The length of a request whose data is held in memory.
    fn payload(&self, headers: Headers) -> Result<u32, Rejection> {
        if let Some(length) = u32::try_from(self.length).ok().filter(|length| *length <= MAX_PAYLOAD_BYTES) {
            return Ok(length);
        }
        let is_chunked_read = headers.has_chunks() && self.command == command::READ;
        let error = if is_chunked_read { ErrorNumber::Overflow } else { ErrorNumber::Invalid };
        let message = format!("{} bytes in one request, at most {MAX_PAYLOAD_BYTES} are taken", self.length);
        Err(rejection(error, message))
    }

    fn check_range(&self, size_bytes: u64, error: ErrorNumber) -> Result<(), Rejection> {
        match self.offset.checked_add(self.length) {
            Some(end) if end <= size_bytes => Ok(()),
            _ => Err(rejection(
                error,
                format!("{} bytes at {} reach past the end of the volume at {size_bytes}", self.length, self.offset),
            )),
        }
    }
}

fn rejection(error: ErrorNumber, message: String) -> Rejection {
    Rejection { error, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 20;

    fn request(command: u16, flags: u16, offset: u64, length: u64) -> RequestHeader {
        RequestHeader { flags, command, cookie: 1, offset, length }
    }

    fn error(command: u16, flags: u16, offset: u64, length: u64) -> ErrorNumber {
        request(command, flags, offset, length).work(SIZE, Headers::Structured).unwrap_err().error
    }

    #[test]
    fn header_golden_bytes() {
        let bytes = [0x25, 0x60, 0x95, 0x13, 0, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 2, 0];
        let header = RequestHeader::parse(&bytes, Headers::Simple).unwrap();
        assert_eq!(
            header,
            RequestHeader { flags: 1, command: 1, cookie: 0x0102_0304_0506_0708, offset: 4096, length: 512 }
        );
        assert_eq!(
            header.work(SIZE, Headers::Simple),
            Ok(Work::Write { offset: 4096, length: 512, durability: Durability::Stable })
        );
        let mut wrong = bytes;
        wrong[0] = 0;
        assert_eq!(RequestHeader::parse(&wrong, Headers::Simple), None);
        assert_eq!(RequestHeader::parse(&bytes, Headers::Extended), None, "each form has its magic");
    }

    #[test]
    fn extended_header_golden_bytes() {
        let bytes = [
            0x21, 0xe4, 0x1c, 0x71, 0, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0,
            2, 0,
        ];
        assert_eq!(bytes.len(), header_bytes(Headers::Extended));
        let header = RequestHeader::parse(&bytes, Headers::Extended).unwrap();
        assert_eq!(header, RequestHeader { flags: 0x20, command: 1, cookie: 7, offset: 4096, length: 512 });
        assert_eq!(header.payload_bytes(Headers::Extended), 512);
        assert_eq!(
            header.work(SIZE, Headers::Extended),
            Ok(Work::Write { offset: 4096, length: 512, durability: Durability::Written })
        );
    }

    #[test]
    fn extended_lengths_are_of_the_volume_or_of_a_payload() {
        let large = 1 << 44;
        let zeroes = request(command::WRITE_ZEROES, flag::FAST_ZERO, 0, 1 << 43);
        assert!(
            matches!(zeroes.work(large, Headers::Extended), Ok(Work::WriteZeroes { length, fast: true, .. }) if length == 1 << 43)
        );
        let status = request(command::BLOCK_STATUS, flag::REQ_ONE, 0, large);
        assert_eq!(
            status.work(large, Headers::Extended),
            Ok(Work::BlockStatus { offset: 0, length: large, one: true })
        );
        let extended = |command, flags, length| request(command, flags, 0, length).work(large, Headers::Extended);
        let invalid = |work: Result<Work, Rejection>| work.unwrap_err().error == ErrorNumber::Invalid;
        assert!(invalid(extended(command::WRITE, 0, 512)), "a write needs its payload");
        assert!(invalid(extended(command::READ, flag::PAYLOAD_LEN, 512)));
        assert!(invalid(extended(command::BLOCK_STATUS, flag::PAYLOAD_LEN, 16)), "that form is not announced");
        assert!(invalid(extended(command::BLOCK_STATUS, 0, 0)));
        assert_eq!(extended(command::READ, 0, 1 << 40).unwrap_err().error, ErrorNumber::Overflow);
        assert_eq!(request(command::READ, flag::PAYLOAD_LEN, 0, 512).payload_bytes(Headers::Extended), 512);
        assert_eq!(request(command::READ, 0, 0, 512).payload_bytes(Headers::Extended), 0);
    }

    #[test]
    fn the_end_of_the_volume_is_guarded() {
        assert!(request(command::READ, 0, SIZE - 1, 1).work(SIZE, Headers::Structured).is_ok());
        assert_eq!(error(command::READ, 0, SIZE - 1, 2), ErrorNumber::Invalid);
        assert_eq!(error(command::WRITE, 0, SIZE, 1), ErrorNumber::NoSpace);
        assert_eq!(error(command::WRITE_ZEROES, 0, u64::MAX, 1), ErrorNumber::NoSpace);
        assert_eq!(error(command::TRIM, 0, u64::MAX, u32::MAX.into()), ErrorNumber::Invalid);
    }

    #[test]
    fn flags_belong_to_commands() {
        assert_eq!(error(command::WRITE, flag::NO_HOLE, 0, 1), ErrorNumber::Invalid);
        assert_eq!(error(command::READ, 1 << 9, 0, 1), ErrorNumber::Invalid);
        assert!(request(command::WRITE_ZEROES, flag::FAST_ZERO, 0, 512).work(SIZE, Headers::Simple).is_ok());
        assert_eq!(error(command::WRITE, flag::PAYLOAD_LEN, 0, 512), ErrorNumber::Invalid);
        assert!(request(command::READ, flag::DF, 0, 1).work(SIZE, Headers::Structured).is_ok());
        assert!(request(command::READ, flag::DF, 0, 1).work(SIZE, Headers::Simple).is_err());
        assert_eq!(
            request(command::WRITE_ZEROES, flag::NO_HOLE, 0, 1).work(SIZE, Headers::Simple),
            Ok(Work::WriteZeroes {
                offset: 0,
                length: 1,
                may_unmap: false,
                fast: false,
                durability: Durability::Written
            })
        );
    }

    #[test]
    fn odd_requests_are_rejected() {
        assert_eq!(error(command::READ, 0, 0, u64::from(MAX_PAYLOAD_BYTES) + 1), ErrorNumber::Overflow);
        assert_eq!(error(command::WRITE, 0, 0, u64::from(MAX_PAYLOAD_BYTES) + 1), ErrorNumber::Invalid);
        assert_eq!(error(command::FLUSH, 0, 1, 0), ErrorNumber::Invalid);
        assert_eq!(error(99, 0, 0, 0), ErrorNumber::Invalid);
    }
}
