//! Generic netlink, as much as the NBD driver's interface takes: one request at a time, with its answer.
//!
//! | bytes | of a message, in the machine's byte order |
//! |---|---|
//! | 0–3 | length with this header |
//! | 4–5 | family, or the type of an answer |
//! | 6–7 | flags |
//! | 8–11 | sequence number |
//! | 12–15 | port, 0 for the kernel |
//! | 16, 17, 18–19 | command, version, reserved |
//! | 20– | attributes: length u16 with these four bytes, kind u16, payload, padding to four bytes |

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use bytes::Buf;
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

const HEADER_BYTES: usize = 16;
const COMMAND_BYTES: usize = 4;
const ATTRIBUTE_BYTES: usize = 4;
/// `linux/netlink.h`
const FLAG_REQUEST: u16 = 1;
const FLAG_ACKNOWLEDGE: u16 = 4;
const TYPE_ERROR: u16 = 2;
/// Two upper bits of an attribute's kind say how it is to be read.
const KIND_MASK: u16 = 0x3fff;
const KIND_NESTED: u16 = 1 << 15;
/// `linux/genetlink.h`: the family that knows all others.
const CONTROL_FAMILY: u16 = 16;
const CONTROL_GET_FAMILY: u8 = 3;
const CONTROL_FAMILY_ID: u16 = 1;
const CONTROL_FAMILY_NAME: u16 = 2;
/// Answers are a page at most.
const ANSWER_BYTES: usize = 8192;
/// The kernel answers before the system call returns, but for a detach, which waits for the device's work in flight.
const ANSWER_PATIENCE_SECONDS: i64 = 30;

/// A request that is being put together.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    pub(super) fn new(family: u16, command: u8) -> Self {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[4..6].copy_from_slice(&family.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(FLAG_REQUEST | FLAG_ACKNOWLEDGE).to_ne_bytes());
        // Version 1 of every interface that is spoken here.
        bytes.extend_from_slice(&[command, 1, 0, 0]);
        Self { bytes }
    }

    pub(super) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, |bytes| bytes.extend_from_slice(&value.to_ne_bytes()));
    }

    pub(super) fn put_u64(&mut self, kind: u16, value: u64) {
        self.put(kind, |bytes| bytes.extend_from_slice(&value.to_ne_bytes()));
    }

    /// A text, which must hold no zero byte: one ends it.
    pub(super) fn put_text(&mut self, kind: u16, text: &str) {
        self.put(kind, |bytes| {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        });
    }

    /// Attributes inside an attribute.
    pub(super) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; ATTRIBUTE_BYTES]);
        inner(self);
        self.close(start, kind | KIND_NESTED);
    }

    fn put(&mut self, kind: u16, payload: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; ATTRIBUTE_BYTES]);
        payload(&mut self.bytes);
        self.close(start, kind);
    }

    fn close(&mut self, start: usize, kind: u16) {
        // Names of volumes and a handful of sockets are far from the end of 16 bits.
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

/// The payload of the first attribute of this kind.
pub(super) fn attribute(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    while attributes.len() >= ATTRIBUTE_BYTES {
        let mut head = attributes;
        let (length, found) = (usize::from(head.get_u16_ne()), head.get_u16_ne() & KIND_MASK);
        let payload = attributes.get(ATTRIBUTE_BYTES..length)?;
        if found == kind {
            return Some(payload);
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

/// What one message of an answer says.
#[derive(Debug, PartialEq, Eq)]
enum Answer<'a> {
    /// Attributes of a reply; the acknowledgement follows.
    Reply(&'a [u8]),
    Acknowledged,
    Refused(Errno),
    /// Not about this request.
    Other,
}

/// Cuts the first message off `bytes`; `None` when there is no whole one left.
fn next_answer<'a>(bytes: &mut &'a [u8], sequence: u32) -> Option<Answer<'a>> {
    let mut head = bytes.get(..HEADER_BYTES)?;
    let (length, kind, _flags) = (head.get_u32_ne() as usize, head.get_u16_ne(), head.get_u16_ne());
    let answers = head.get_u32_ne();
    let content = bytes.get(HEADER_BYTES..length)?;
    *bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    if answers != sequence {
        return Some(Answer::Other);
    }
    if kind != TYPE_ERROR {
        return Some(Answer::Reply(content.get(COMMAND_BYTES..).unwrap_or_default()));
    }
    let mut content = content;
    match content.try_get_i32_ne() {
        Ok(0) => Some(Answer::Acknowledged),
        Ok(negative) => Some(Answer::Refused(Errno::from_raw(negative.saturating_neg()))),
        Err(_) => None,
    }
}

/// A netlink socket. Calls block.
#[derive(Debug)]
pub(super) struct Socket {
    socket: OwnedFd,
    sequence: u32,
}

impl Socket {
    pub(super) fn open() -> io::Result<Self> {
        let protocol = SockProtocol::NetlinkGeneric;
        let socket = socket::socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        socket::bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        socket::setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_PATIENCE_SECONDS))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Number of the family called `name`.
    ///
    /// # Errors
    /// `ENOENT`: the kernel does not have it, or not for this network namespace.
    pub(super) fn family(&mut self, name: &str) -> io::Result<u16> {
        let mut request = Message::new(CONTROL_FAMILY, CONTROL_GET_FAMILY);
        request.put_text(CONTROL_FAMILY_NAME, name);
        let reply = self.ask(request)?;
        let mut number = attribute(&reply, CONTROL_FAMILY_ID).unwrap_or_default();
        number.try_get_u16_ne().map_err(|_| io::Error::other(format!("the kernel told no number for {name}")))
    }

    /// Sends `request` and returns the attributes of its reply, none if it has only an acknowledgement.
    pub(super) fn ask(&mut self, request: Message) -> io::Result<Vec<u8>> {
        self.sequence += 1;
        let request = request.finish(self.sequence);
        socket::send(self.socket.as_raw_fd(), &request, MsgFlags::empty())?;
        let mut reply = Vec::new();
        let mut buffer = vec![0; ANSWER_BYTES];
        loop {
            let received = match socket::recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut buffer) {
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer")),
                other => other?,
            };
            // Other processes with the right to may send to this socket too.
            if received.1.is_none_or(|sender| sender.pid() != 0) {
                continue;
            }
            let mut bytes = &buffer[..received.0];
            while let Some(answer) = next_answer(&mut bytes, self.sequence) {
                match answer {
                    Answer::Reply(attributes) => reply = attributes.to_vec(),
                    Answer::Acknowledged => return Ok(reply),
                    Answer::Refused(error) => return Err(error.into()),
                    Answer::Other => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn golden_bytes() {
        let mut message = Message::new(27, 1);
        message.put_u64(2, 0x1_0000_0000);
        message.nest(7, |sockets| {
            sockets.nest(1, |item| item.put_u32(1, 5));
        });
        message.put_text(10, "vol");
        let expected: &[&[u8]] = &[
            &[64, 0, 0, 0, 27, 0, 5, 0, 9, 0, 0, 0, 0, 0, 0, 0],
            &[1, 1, 0, 0],
            &[12, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0],
            &[16, 0, 7, 0x80, 12, 0, 1, 0x80, 8, 0, 1, 0, 5, 0, 0, 0],
            &[8, 0, 10, 0, b'v', b'o', b'l', 0],
        ];
        let mut expected = expected.concat();
        expected[0] = expected.len() as u8;
        assert_eq!(message.finish(9), expected);
    }

    #[test]
    fn attributes_are_found_and_broken_ones_end_the_search() {
        let mut message = Message::new(1, 1);
        message.put_text(3, "ab");
        message.put_u32(1, 7);
        let bytes = message.finish(1);
        let attributes = &bytes[HEADER_BYTES + COMMAND_BYTES..];
        assert_eq!(attribute(attributes, 1), Some(&7_u32.to_ne_bytes()[..]));
        assert_eq!(attribute(attributes, 3), Some(&b"ab\0"[..]));
        assert_eq!(attribute(attributes, 2), None);
        assert_eq!(attribute(&[2, 0, 1, 0], 1), None, "shorter than its own head");
        assert_eq!(attribute(&[0xff, 0xff, 0xff, 0xff], 1), None);
    }

    #[test]
    fn answers_are_told_apart() {
        let error = |sequence: u32, number: i32| {
            let parts: [&[u8]; 6] = [
                &20_u32.to_ne_bytes(),
                &TYPE_ERROR.to_ne_bytes(),
                &[0, 0],
                &sequence.to_ne_bytes(),
                &[0; 4],
                &number.to_ne_bytes(),
            ];
            parts.concat()
        };
        let two = [error(4, 0), error(5, -libc_enoent()), error(5, 0)].concat();
        let mut bytes = &two[..];
        assert_eq!(next_answer(&mut bytes, 5), Some(Answer::Other));
        assert_eq!(next_answer(&mut bytes, 5), Some(Answer::Refused(Errno::ENOENT)));
        assert_eq!(next_answer(&mut bytes, 5), Some(Answer::Acknowledged));
        assert_eq!(next_answer(&mut bytes, 5), None);
    }

    fn libc_enoent() -> i32 {
        Errno::ENOENT as i32
    }

    /// Of the kernel that runs the test.
    #[test]
    fn the_kernel_knows_its_own_family_and_not_any_other() {
        let mut socket = Socket::open().unwrap();
        assert_eq!(socket.family("nlctrl").unwrap(), CONTROL_FAMILY);
        let unknown = socket.family("no-such-family").unwrap_err();
        assert_eq!(unknown.raw_os_error(), Some(Errno::ENOENT as i32), "{unknown}");
        assert_eq!(socket.family("nlctrl").unwrap(), CONTROL_FAMILY, "an error is the end of its request only");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(data in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = attribute(&data, 1);
            let mut bytes = &data[..];
            while next_answer(&mut bytes, 1).is_some() {}
        }
    }
}
