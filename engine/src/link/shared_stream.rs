//! A stream that one task reads, another one writes, and whoever has it may send on.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::address::Stream;

/// Cheap to clone; the stream is closed with the last clone.
#[derive(Clone, Debug)]
pub(super) struct SharedStream(Arc<Stream>);

/// A handle that does not keep the stream open.
#[derive(Debug)]
pub(super) struct WeakStream(Weak<Stream>);

/// What came of sending without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    All,
    /// As many bytes; the rest has to follow before anything else.
    Part(usize),
}

impl WeakStream {
    /// Sends what the kernel takes now of `first` and `second`, the one behind the other. An error is told to whoever reads
    /// or writes next.
    pub(super) fn send_now(&self, first: &[u8], second: &[u8]) -> Sent {
        let Some(stream) = self.0.upgrade().map(SharedStream) else { return Sent::Part(0) };
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        match stream.try_write(if second.is_empty() { &slices[..1] } else { &slices }) {
            Ok(count) if count == first.len() + second.len() => Sent::All,
            Ok(count) => Sent::Part(count),
            Err(_) => Sent::Part(0),
        }
    }

    /// Nothing comes or goes any more, whoever has the stream still.
    pub(super) fn hang_up(&self) {
        let Some(stream) = self.0.upgrade() else { return };
        let descriptor = match &*stream {
            Stream::Unix(stream) => stream.as_raw_fd(),
            Stream::Tcp(stream) => stream.as_raw_fd(),
        };
        // An error means that the other side was first.
        let _ = shutdown(descriptor, Shutdown::Both);
    }
}

impl SharedStream {
    pub(super) fn new(stream: Stream) -> Self {
        Self(Arc::new(stream))
    }

    pub(super) fn downgrade(&self) -> WeakStream {
        WeakStream(Arc::downgrade(&self.0))
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &*self.0 {
            Stream::Unix(stream) => stream.try_write_vectored(slices),
            Stream::Tcp(stream) => stream.try_write_vectored(slices),
        }
    }

    fn try_read(&self, call: impl FnOnce(RawFd) -> io::Result<()>) -> io::Result<()> {
        match &*self.0 {
            Stream::Unix(stream) => stream.try_io(Interest::READABLE, || call(stream.as_raw_fd())),
            Stream::Tcp(stream) => stream.try_io(Interest::READABLE, || call(stream.as_raw_fd())),
        }
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &*self.0 {
            Stream::Unix(stream) => stream.poll_read_ready(context),
            Stream::Tcp(stream) => stream.poll_read_ready(context),
        }
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &*self.0 {
            Stream::Unix(stream) => stream.poll_write_ready(context),
            Stream::Tcp(stream) => stream.poll_write_ready(context),
        }
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_readable(context))?;
            let room = buffer.initialize_unfilled();
            let mut received = None;
            let outcome = self.try_read(|descriptor| {
                let count = recv(descriptor, room, MsgFlags::MSG_DONTWAIT)?;
                received = Some(count);
                // Less than there is room for was all there is: the runtime need not ask the kernel for the next bytes
                // before it tells of them.
                if count > 0 && count < room.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match (received, outcome) {
                (Some(count), _) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                (None, Err(error)) if !is_passing(&error) => return Poll::Ready(Err(error)),
                (None, _) => {}
            }
        }
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_writable(context))?;
            match self.try_write(slices) {
                Err(error) if is_passing(&error) => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Whether the same call may succeed a moment later.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
