//! Requests that are begun as they are read, without a task of their own: reads and writes of whole blocks, and flushes,
//! that have nothing to wait for but the disk. That is nearly all of them, and a task costs more than everything else
//! about them.

use std::sync::Arc;

use super::answer::{Asked, remote};
use super::frame::Kind;
use super::server::{ReplicaServer, Session};
use crate::disk::AlignedBuf;
use crate::replica::ReplicaError;

impl ReplicaServer {
    /// Begins a request, which will be answered by itself; gives back what has to take the long way.
    pub(super) fn begin_at_once(
        &self,
        session: &Session,
        asked: Asked,
        payload: AlignedBuf,
    ) -> Option<(Asked, AlignedBuf)> {
        let header = asked.header;
        let may = matches!(header.kind, Kind::Read | Kind::Write | Kind::Flush);
        // Held for the whole request, as on the long way.
        let open = may.then(|| Arc::clone(&self.open).try_read_owned().ok()).flatten();
        let (Some(open), Ok(()), Some(queue)) = (open, self.check_speaks(session), self.queue()) else {
            return Some((asked, payload));
        };
        let Some(replica) = &*open else { return Some((asked, payload)) };
        match header.kind {
            Kind::Read => {
                let Some(read) = replica.ready_read(header.offset, header.length) else {
                    return Some((asked, payload));
                };
                read.start(queue, move |outcome| {
                    drop(open);
                    asked.answer(outcome.map_err(remote));
                });
            }
            Kind::Write => {
                let length = payload.len() as u64;
                let Some(write) = replica.ready_write(header.offset, length) else { return Some((asked, payload)) };
                let replica = header.stable.then(|| (Arc::clone(replica), queue.downgrade()));
                let answer = move |outcome| {
                    drop(open);
                    answer_empty(asked, outcome);
                };
                write.start(queue, payload, move |outcome| match (outcome, replica) {
                    (Ok(()), Some((replica, queue))) => replica.flush_later(queue.upgrade().as_ref(), answer),
                    (outcome, _) => answer(outcome),
                });
            }
            _ => {
                let Some(flush) = replica.ready_flush() else { return Some((asked, payload)) };
                flush.start(queue, move |outcome| {
                    drop(open);
                    answer_empty(asked, outcome);
                });
            }
        }
        None
    }
}

fn answer_empty(asked: Asked, outcome: Result<(), ReplicaError>) {
    asked.answer(outcome.map(|()| AlignedBuf::default()).map_err(remote));
}
