//! Requests that come one at a time. A thread takes the stream from the runtime, waits for each of them, carries it out
//! and answers it: one thread wakes for a request, and once more when the disk has done it.
//!
//! ```text
//!                   one request at a time, for a while
//!   with others ──────────────────────────────────────► alone
//!       ▲                                                 │
//!       └─────────────────────────────────────────────────┘  more than one is there, or one that is for tasks
//! ```
//! Invariants: what has been received and not carried out goes back with the stream, byte for byte; a stream changes hands
//! only while nothing of it is in flight. So requests are taken in the order in which they came, and answered once.

use std::io;
use std::sync::Arc;

use super::address::Stream;
use super::answer::{Answer, frame_of};
use super::blocking_stream::BlockingStream;
use super::directory_work::data;
use super::frame::{self, Header, Kind};
use super::server::{ReplicaServer, Session};
use crate::disk::AlignedBuf;

/// Requests in a row that have to come while nothing else is there before a thread takes the stream.
const AT_FIRST: u32 = 64;
/// The same for a stream that keeps coming back from its thread.
const AT_MOST: u32 = 4096;
/// With fewer requests a thread was not worth its while.
const WORTHWHILE: u64 = 1024;

/// What a thread receives with one call. A larger frame is for tasks.
const ROOM: usize = 128 << 10;

/// Whether requests come one at a time.
pub(super) struct Solitude {
    in_a_row: u32,
    wanted: u32,
}

impl Default for Solitude {
    fn default() -> Self {
        Self { in_a_row: 0, wanted: AT_FIRST }
    }
}

impl Solitude {
    /// Takes down how a request came; whether a thread is to take the stream now.
    pub(super) fn after(&mut self, header: &Header, alone: bool) -> bool {
        match header.kind {
            // An idle stream is asked too whether it is there still.
            Kind::Ping => return false,
            _ if alone && is_for_a_thread(header) => self.in_a_row += 1,
            _ => self.in_a_row = 0,
        }
        self.in_a_row >= self.wanted
    }

    /// A thread has given the stream back after so many requests.
    pub(super) fn came_back(&mut self, served: u64) {
        self.in_a_row = 0;
        self.wanted = if served >= WORTHWHILE { AT_FIRST } else { (2 * self.wanted).min(AT_MOST) };
    }
}

fn is_for_a_thread(header: &Header) -> bool {
    matches!(header.kind, Kind::Read | Kind::Write | Kind::Flush | Kind::Ping)
}

/// A stream that a thread has given back.
pub(super) struct Returned {
    pub(super) stream: Stream,
    /// Bytes that were received and belong to requests that nobody has begun.
    pub(super) received: Vec<u8>,
    /// Requests that the thread has answered.
    pub(super) served: u64,
}

/// A stream that a thread uses. It is hung up when this is dropped, so that the thread does not wait for ever for what nobody
/// wants any more.
struct Lent(Option<Arc<BlockingStream>>);

impl Lent {
    /// Takes it back from a thread that has ended.
    fn take_back(mut self) -> Option<Stream> {
        Arc::into_inner(self.0.take()?)?.into_async().ok()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            stream.hang_up();
        }
    }
}

impl ReplicaServer {
    /// Lets a thread serve the stream, beginning with a request that has come. `None` when the stream has ended, or its
    /// session speaks no more.
    pub(super) async fn serve_alone(
        self: &Arc<Self>,
        stream: Stream,
        session: &Session,
        first: (Header, AlignedBuf),
    ) -> Option<Returned> {
        let stream = Arc::new(BlockingStream::from_async(stream).ok()?);
        let lent = Lent(Some(Arc::clone(&stream)));
        let mut current = self.speaker();
        let thread = {
            let (server, session) = (Arc::clone(self), session.clone());
            tokio::task::spawn_blocking(move || {
                #[cfg(test)]
                let _counted = Counted::one(&server);
                let mut alone = Alone { server: &server, session: &session, stream: &stream, served: 0 };
                let received = alone.serve(first);
                (received, alone.served)
            })
        };
        tokio::select! {
            returned = thread => {
                let (received, served) = returned.ok()?;
                Some(Returned { stream: lent.take_back()?, received, served })
            }
            // Somebody else speaks now, or the replica is being closed. Either waits for the request that the thread is at.
            _ = current.wait_for(|now| now != session) => None,
        }
    }
}

/// The thread's side.
struct Alone<'a> {
    server: &'a ReplicaServer,
    session: &'a Session,
    stream: &'a BlockingStream,
    served: u64,
}

impl Alone<'_> {
    /// Serves until the requests are not for a thread any more; gives back what was received of those.
    fn serve(&mut self, (header, payload): (Header, AlignedBuf)) -> Vec<u8> {
        let Some(answer) = self.carry_out(&header, &payload) else {
            return [&header.encode(&payload)[..], &payload[..]].concat();
        };
        let mut input = Input { bytes: vec![0; ROOM], end: 0 };
        if self.answer(header, answer).is_err() {
            // It is broken, which whoever reads from it is told.
            return Vec::new();
        }
        while let Some((header, payload)) = input.wait_for_one(self.stream) {
            let Some(answer) = self.carry_out(&header, &payload) else { break };
            input.end = 0;
            let more = input.look(self.stream);
            if self.answer(header, answer).is_err() || more {
                break;
            }
        }
        input.bytes.truncate(input.end);
        input.bytes
    }

    /// `None` where it is not for a thread, or somebody changes who may speak: tasks wait for that.
    fn carry_out(&self, header: &Header, payload: &AlignedBuf) -> Option<Answer> {
        if !is_for_a_thread(header) {
            return None;
        }
        // Held for the whole request: a new epoch and a close wait for it.
        let open = self.server.open.try_read().ok()?;
        self.server.check_speaks(self.session).ok()?;
        Some(data(open.as_ref()?, header, payload))
    }

    fn answer(&mut self, request: Header, answer: Answer) -> io::Result<()> {
        let (header, payload) = frame_of(request, answer);
        self.served += 1;
        self.stream.send_both(&header.encode(&payload), &payload)
    }
}

/// What has been received and not carried out.
struct Input {
    bytes: Vec<u8>,
    end: usize,
}

impl Input {
    /// The next frame, when it is the only one. `None` where there are more, it is too large, it is none, or the stream has
    /// ended: tasks find the same, and say so.
    fn wait_for_one(&mut self, stream: &BlockingStream) -> Option<(Header, AlignedBuf)> {
        loop {
            match frame::announced(&self.bytes[..self.end]) {
                Ok(Some(length)) if length == self.end => return frame::decode(&self.bytes[..length]).ok(),
                Ok(Some(length)) if length < self.end || length > ROOM => return None,
                Ok(_) => {}
                Err(_) => return None,
            }
            match stream.receive(&mut self.bytes[self.end..]) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.end += count,
            }
        }
    }

    /// Takes in what has come meanwhile; whether there was any.
    fn look(&mut self, stream: &BlockingStream) -> bool {
        let count = stream.try_receive(&mut self.bytes[self.end..]).unwrap_or(0);
        self.end += count;
        count > 0
    }
}

/// Counts a thread that serves a stream while it lives.
#[cfg(test)]
struct Counted(Arc<ReplicaServer>);

#[cfg(test)]
impl Counted {
    fn one(server: &Arc<ReplicaServer>) -> Self {
        server.threads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Self(Arc::clone(server))
    }
}

#[cfg(test)]
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
