//! A connection with room for whatever comes and goes at once.

use std::io;
use std::task::{Context, Poll};

use tokio::net::TcpStream;

use super::alone::Line;

/// Several of the largest requests that are measured.
const ROOM: usize = 8 << 20;
/// With less than that left, what was not taken yet moves to the front.
const ROOM_LEAST: usize = 2 << 20;
/// As much as a volume's connections take at once.
const AT_ONCE: usize = 256 << 10;

pub(super) struct Pipe {
    stream: TcpStream,
    input: Vec<u8>,
    start: usize,
    end: usize,
    pub(super) output: Vec<u8>,
    sent: usize,
}

impl Pipe {
    /// Goes on with what was received already.
    pub(super) fn new(line: Line) -> Self {
        let mut input = vec![0; ROOM];
        let end = line.received().len();
        input[..end].copy_from_slice(line.received());
        let stream = line.into_stream();
        stream.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(stream).unwrap();
        Self { stream, input, start: 0, end, output: Vec::new(), sent: 0 }
    }

    /// Ready when something can be received, or sent of what waits for that.
    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut ready = self.stream.poll_read_ready(context).is_ready();
        if !self.output.is_empty() {
            ready |= self.stream.poll_write_ready(context).is_ready();
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes in what has come; false when nothing more will come. No system call where nothing has come.
    pub(super) fn receive(&mut self) -> bool {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if ROOM - self.end < ROOM_LEAST {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let until = ROOM.min(self.end + AT_ONCE);
        match self.stream.try_read(&mut self.input[self.end..until]) {
            Ok(0) => false,
            Ok(count) => {
                self.end += count;
                true
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    pub(super) fn received(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Sends what it can.
    pub(super) fn send(&mut self) {
        while self.sent < self.output.len() {
            match self.stream.try_write(&self.output[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It is gone, which receiving tells.
                Err(_) => break,
            }
        }
        self.output.clear();
        self.sent = 0;
    }
}
