//! A stream outside the runtime, for a thread that has nothing to do but wait for it.

use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::sys::socket::{MsgFlags, recv};

use super::address::Stream;

/// A connected stream of either kind whose calls wait. Shared: one thread uses it, another one may hang up.
#[derive(Debug)]
pub(super) enum BlockingStream {
    Unix(std::os::unix::net::UnixStream),
    Tcp(std::net::TcpStream),
}

impl BlockingStream {
    /// Takes a stream from the runtime, which does not look at it any more.
    pub(super) fn from_async(stream: Stream) -> io::Result<Self> {
        match stream {
            Stream::Unix(stream) => {
                let stream = stream.into_std()?;
                stream.set_nonblocking(false)?;
                Ok(Self::Unix(stream))
            }
            Stream::Tcp(stream) => {
                let stream = stream.into_std()?;
                stream.set_nonblocking(false)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    /// Gives it back to the runtime.
    pub(super) fn into_async(self) -> io::Result<Stream> {
        match self {
            Self::Unix(stream) => {
                stream.set_nonblocking(true)?;
                tokio::net::UnixStream::from_std(stream).map(Stream::Unix)
            }
            Self::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                tokio::net::TcpStream::from_std(stream).map(Stream::Tcp)
            }
        }
    }

    /// Waits for bytes; 0 when no more will come.
    pub(super) fn receive(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.receive_with(bytes, MsgFlags::empty())
    }

    /// As [`BlockingStream::receive`], where nobody has to be waited for.
    pub(super) fn try_receive(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.receive_with(bytes, MsgFlags::MSG_DONTWAIT)
    }

    fn receive_with(&self, bytes: &mut [u8], flags: MsgFlags) -> io::Result<usize> {
        loop {
            match recv(self.as_fd().as_raw_fd(), bytes, flags) {
                Err(nix::errno::Errno::EINTR) => {}
                outcome => return outcome.map_err(io::Error::from),
            }
        }
    }

    /// Sends both, the second behind the first.
    pub(super) fn send_both(&self, first: &[u8], second: &[u8]) -> io::Result<()> {
        let slices = &mut [IoSlice::new(first), IoSlice::new(second)];
        let mut left = if second.is_empty() { &mut slices[..1] } else { &mut slices[..] };
        while !left.is_empty() {
            let written = match self {
                Self::Unix(stream) => (&*stream).write_vectored(left),
                Self::Tcp(stream) => (&*stream).write_vectored(left),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => IoSlice::advance_slices(&mut left, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Nothing comes or goes any more; a thread that waits for it returns.
    pub(super) fn hang_up(&self) {
        // An error means that the other side was first.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl AsFd for BlockingStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}
