//! Requests of the transmission phase: 28 bytes of header to a checked piece of work.
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | magic |
//! | 4–5 | flags |
//! | 6–7 | command |
//! | 8–15 | cookie, opaque |
//! | 16–23 | offset |
//! | 24–27 | length |

use bytes::Buf;

use super::export::MAX_PAYLOAD_BYTES;
use super::protocol::{ErrorNumber, REQUEST_MAGIC, command, command_flag as flag};
use crate::frontend::Durability;

pub(super) const HEADER_BYTES: usize = 28;

/// A header as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestHeader {
    pub(super) flags: u16,
    pub(super) command: u16,
    pub(super) cookie: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
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
        length: u32,
        durability: Durability,
    },
    WriteZeroes {
        offset: u64,
        length: u32,
        may_unmap: bool,
        durability: Durability,
    },
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
    /// `None`: this is not a request, the stream is out of step.
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut bytes = &bytes[..];
        (bytes.get_u32() == REQUEST_MAGIC).then(|| Self {
            flags: bytes.get_u16(),
            command: bytes.get_u16(),
            cookie: bytes.get_u64(),
            offset: bytes.get_u64(),
            length: bytes.get_u32(),
        })
    }

    /// Bytes that follow the header, whether or not the request is any good.
    pub(super) fn payload_bytes(&self) -> u32 {
        if self.command == command::WRITE { self.length } else { 0 }
    }

    /// Checks the request against a device of `size_bytes`.
    pub(super) fn work(&self, size_bytes: u64, structured: bool) -> Result<Work, Rejection> {
        self.check_flags(structured)?;
        let (offset, length, durability) = (self.offset, self.length, self.durability());
        match self.command {
            command::READ => {
                self.check_payload(structured)?;
                self.check_range(size_bytes, ErrorNumber::Invalid)?;
                Ok(Work::Read { offset, length })
            }
            command::WRITE => {
                self.check_payload(structured)?;
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
            command::WRITE_ZEROES => {
                self.check_range(size_bytes, ErrorNumber::NoSpace)?;
                let may_unmap = self.flags & flag::NO_HOLE == 0;
                Ok(Work::WriteZeroes { offset, length, may_unmap, durability })
            }
            other => Err(rejection(ErrorNumber::Invalid, format!("command {other} is not known here"))),
        }
    }

    fn durability(&self) -> Durability {
        if self.flags & flag::FUA == 0 { Durability::Written } else { Durability::Stable }
    }

    fn check_flags(&self, structured: bool) -> Result<(), Rejection> {
        let allowed = flag::FUA
            | match self.command {
                command::READ if structured => flag::DF,
                command::WRITE_ZEROES => flag::NO_HOLE | flag::FAST_ZERO,
                _ => 0,
            };
        if self.flags & !allowed != 0 {
            let message = format!("flags {:#x} do not fit command {}", self.flags, self.command);
            return Err(rejection(ErrorNumber::Invalid, message));
        }
        // Whether zeroing is quick depends on the replicas' layers, which nobody here can tell beforehand.
        if self.flags & flag::FAST_ZERO != 0 {
            return Err(rejection(ErrorNumber::NotSupported, "zeroing is not known to be faster than writing".into()));
        }
        Ok(())
    }

    fn check_payload(&self, structured: bool) -> Result<(), Rejection> {
        if self.length <= MAX_PAYLOAD_BYTES {
            return Ok(());
        }
        let is_structured_read = structured && self.command == command::READ;
        let error = if is_structured_read { ErrorNumber::Overflow } else { ErrorNumber::Invalid };
        let message = format!("{} bytes in one request, at most {MAX_PAYLOAD_BYTES} are taken", self.length);
        Err(rejection(error, message))
    }

    fn check_range(&self, size_bytes: u64, error: ErrorNumber) -> Result<(), Rejection> {
        match self.offset.checked_add(u64::from(self.length)) {
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

    fn request(command: u16, flags: u16, offset: u64, length: u32) -> RequestHeader {
        RequestHeader { flags, command, cookie: 1, offset, length }
    }

    fn error(command: u16, flags: u16, offset: u64, length: u32) -> ErrorNumber {
        request(command, flags, offset, length).work(SIZE, true).unwrap_err().error
    }

    #[test]
    fn header_golden_bytes() {
        let bytes = [0x25, 0x60, 0x95, 0x13, 0, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 2, 0];
        let header = RequestHeader::parse(&bytes).unwrap();
        assert_eq!(
            header,
            RequestHeader { flags: 1, command: 1, cookie: 0x0102_0304_0506_0708, offset: 4096, length: 512 }
        );
        assert_eq!(
            header.work(SIZE, false),
            Ok(Work::Write { offset: 4096, length: 512, durability: Durability::Stable })
        );
        let mut wrong = bytes;
        wrong[0] = 0;
        assert_eq!(RequestHeader::parse(&wrong), None);
    }

    #[test]
    fn the_end_of_the_volume_is_guarded() {
        assert!(request(command::READ, 0, SIZE - 1, 1).work(SIZE, true).is_ok());
        assert_eq!(error(command::READ, 0, SIZE - 1, 2), ErrorNumber::Invalid);
        assert_eq!(error(command::WRITE, 0, SIZE, 1), ErrorNumber::NoSpace);
        assert_eq!(error(command::WRITE_ZEROES, 0, u64::MAX, 1), ErrorNumber::NoSpace);
        assert_eq!(error(command::TRIM, 0, u64::MAX, u32::MAX), ErrorNumber::Invalid);
    }

    #[test]
    fn flags_belong_to_commands() {
        assert_eq!(error(command::WRITE, flag::NO_HOLE, 0, 1), ErrorNumber::Invalid);
        assert_eq!(error(command::READ, 1 << 9, 0, 1), ErrorNumber::Invalid);
        assert_eq!(error(command::WRITE_ZEROES, flag::FAST_ZERO, 0, 512), ErrorNumber::NotSupported);
        assert!(request(command::READ, flag::DF, 0, 1).work(SIZE, true).is_ok());
        assert!(request(command::READ, flag::DF, 0, 1).work(SIZE, false).is_err());
        assert_eq!(
            request(command::WRITE_ZEROES, flag::NO_HOLE, 0, 1).work(SIZE, false),
            Ok(Work::WriteZeroes { offset: 0, length: 1, may_unmap: false, durability: Durability::Written })
        );
    }

    #[test]
    fn odd_requests_are_rejected() {
        assert_eq!(error(command::READ, 0, 0, MAX_PAYLOAD_BYTES + 1), ErrorNumber::Overflow);
        assert_eq!(error(command::WRITE, 0, 0, MAX_PAYLOAD_BYTES + 1), ErrorNumber::Invalid);
        assert_eq!(error(command::FLUSH, 0, 1, 0), ErrorNumber::Invalid);
        assert_eq!(error(99, 0, 0, 0), ErrorNumber::Invalid);
    }
}
