//! What is asked of the kernel's NBD driver (`linux/nbd-netlink.h`, Linux 4.12; the identifier of the backend: 5.14).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use bytes::Buf;

use super::netlink::{Message, Socket, attribute};

const FAMILY: &str = "nbd";

mod command {
    pub(super) const CONNECT: u8 = 1;
    pub(super) const DISCONNECT: u8 = 2;
    pub(super) const RECONFIGURE: u8 = 3;
}

mod kind {
    pub(super) const INDEX: u16 = 1;
    pub(super) const SIZE_BYTES: u16 = 2;
    pub(super) const BLOCK_SIZE_BYTES: u16 = 3;
    pub(super) const SERVER_FLAGS: u16 = 5;
    pub(super) const SOCKETS: u16 = 7;
    pub(super) const DEAD_CONNECTION_TIMEOUT: u16 = 8;
    pub(super) const BACKEND_IDENTIFIER: u16 = 10;
    /// Inside `SOCKETS`, and inside that.
    pub(super) const SOCKET_ITEM: u16 = 1;
    pub(super) const SOCKET: u16 = 1;
}

/// Sector size of the block device: what Longhorn's devices have, so that file systems made there mount here.
const SECTOR_BYTES: u64 = 512;
/// So long do requests wait after the engine's end for the next one, which takes the device over. After it they fail.
const TAKE_OVER_SECONDS: u64 = 120;

/// A device as the driver is told of it.
#[derive(Debug)]
pub(super) struct Attachment<'a> {
    /// Whose device it is: the driver lets nobody take it over under another name.
    pub(super) identifier: &'a str,
    /// Transmission flags of the server.
    pub(super) server_flags: u16,
    pub(super) socket: BorrowedFd<'a>,
}

/// The driver's end of the conversation. Calls block.
#[derive(Debug)]
pub(super) struct Driver {
    socket: Socket,
    family: u16,
}

impl Driver {
    /// # Errors
    /// `ENOENT`: the module is not loaded, or this process is in another network namespace than the node's.
    pub(super) fn find() -> io::Result<Self> {
        let mut socket = Socket::open()?;
        let family = socket.family(FAMILY)?;
        Ok(Self { socket, family })
    }

    /// Attaches to a free device; returns its index.
    pub(super) fn connect(&mut self, attachment: &Attachment<'_>, size_bytes: u64) -> io::Result<u32> {
        let reply = self.socket.ask(connect(self.family, attachment, size_bytes))?;
        let mut index = attribute(&reply, kind::INDEX).unwrap_or_default();
        index.try_get_u32_ne().map_err(|_| io::Error::other("the driver did not tell which device it took"))
    }

    /// Offers a socket in place of a dead one; if there is none, the driver leaves it and says nothing. No size comes with
    /// it: for another one the driver would wait until requests in flight are answered, which takes the socket.
    pub(super) fn replace_socket(&mut self, index: u32, attachment: &Attachment<'_>) -> io::Result<()> {
        self.socket.ask(replace(self.family, index, attachment)).map(drop)
    }

    pub(super) fn resize(&mut self, index: u32, identifier: &str, size_bytes: u64) -> io::Result<()> {
        self.socket.ask(resize(self.family, index, identifier, size_bytes)).map(drop)
    }

    /// Takes the device away, whoever uses it. What is in flight fails.
    pub(super) fn disconnect(&mut self, index: u32) -> io::Result<()> {
        let mut request = Message::new(self.family, command::DISCONNECT);
        request.put_u32(kind::INDEX, index);
        self.socket.ask(request).map(drop)
    }
}

fn connect(family: u16, attachment: &Attachment<'_>, size_bytes: u64) -> Message {
    let mut request = Message::new(family, command::CONNECT);
    request.put_u64(kind::SIZE_BYTES, size_bytes);
    request.put_u64(kind::BLOCK_SIZE_BYTES, SECTOR_BYTES);
    request.put_u64(kind::SERVER_FLAGS, u64::from(attachment.server_flags));
    // No timeout for requests: a volume that waits for its replicas answers late, which is no reason to cut it off (see
    // the module above).
    request.put_u64(kind::DEAD_CONNECTION_TIMEOUT, TAKE_OVER_SECONDS);
    request.put_text(kind::BACKEND_IDENTIFIER, attachment.identifier);
    put_socket(&mut request, attachment.socket);
    request
}

fn replace(family: u16, index: u32, attachment: &Attachment<'_>) -> Message {
    let mut request = Message::new(family, command::RECONFIGURE);
    request.put_u32(kind::INDEX, index);
    request.put_text(kind::BACKEND_IDENTIFIER, attachment.identifier);
    put_socket(&mut request, attachment.socket);
    request
}

fn resize(family: u16, index: u32, identifier: &str, size_bytes: u64) -> Message {
    let mut request = Message::new(family, command::RECONFIGURE);
    request.put_u32(kind::INDEX, index);
    request.put_u64(kind::SIZE_BYTES, size_bytes);
    request.put_text(kind::BACKEND_IDENTIFIER, identifier);
    request
}

fn put_socket(request: &mut Message, socket: BorrowedFd<'_>) {
    // Descriptors are never negative.
    let number = u32::try_from(socket.as_raw_fd()).unwrap_or(u32::MAX);
    request.nest(kind::SOCKETS, |list| {
        list.nest(kind::SOCKET_ITEM, |item| item.put_u32(kind::SOCKET, number));
    });
}
