//! Requests that come one at a time: a process waits for each with the very call that receives it, and does all of it.
//! The first time that more than one is there, the connections go to the runtime for good.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::message::{Answer, Ask, DISCONNECT, READ};
use super::nbd::{self, Request};

/// A message of the largest request that is measured.
const ROOM: usize = 2 << 20;

/// A connection whose calls wait.
pub(super) struct Line {
    stream: TcpStream,
    input: Vec<u8>,
    end: usize,
}

impl Line {
    pub(super) fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, input: vec![0; ROOM], end: 0 }
    }

    pub(super) fn received(&self) -> &[u8] {
        &self.input[..self.end]
    }

    /// Waits for more; false when no more will come.
    fn receive(&mut self) -> bool {
        let count = self.stream.read(&mut self.input[self.end..]).unwrap_or(0);
        self.end += count;
        count > 0
    }

    fn send(&mut self, bytes: &[u8]) {
        // One that is gone is noticed when nothing comes.
        let _ = self.stream.write_all(bytes);
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

/// Carries out what is asked one at a time. `None` when nobody asks any more.
pub(super) fn serve_disk(mut line: Line, mut work: impl FnMut(Ask, &[u8]) -> Vec<u8>) -> Option<Line> {
    loop {
        let Some((ask, payload)) = Ask::first(line.received()) else {
            if line.receive() {
                continue;
            }
            return None;
        };
        if Ask::size(payload) < line.end {
            return Some(line);
        }
        let answer = work(ask, payload);
        line.end = 0;
        line.send(&answer);
    }
}

/// Passes on what the client asks one at a time. `None` when it leaves.
pub(super) fn forward(mut client: Line, mut disks: Vec<Line>) -> Option<(Line, Vec<Line>)> {
    let mut next = 0;
    let mut output = Vec::new();
    loop {
        let request = match nbd::first(client.received()) {
            Some((_, size)) if size < client.end => return Some((client, disks)),
            Some((Request { kind: DISCONNECT, .. }, _)) => return None,
            Some((request, _)) => request,
            None if client.receive() => continue,
            None => return None,
        };
        let Request { kind, cookie, offset, length } = request;
        output.clear();
        Ask { kind, slot: 0, offset, length }.put(&mut output);
        output.extend_from_slice(&client.received()[nbd::HEADER_BYTES..]);
        next = (next + 1) % disks.len();
        let asked = if kind == READ { &mut disks[next..=next] } else { &mut disks[..] };
        asked.iter_mut().for_each(|disk| disk.send(&output));
        output.clear();
        nbd::put_reply(&mut output, cookie);
        for disk in asked {
            while Answer::first(disk.received()).is_none() {
                assert!(disk.receive(), "a disk is gone");
            }
            let (_, data) = Answer::first(disk.received()).unwrap();
            output.extend_from_slice(data);
            disk.end = 0;
        }
        client.end = 0;
        client.send(&output);
    }
}
