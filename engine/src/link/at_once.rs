//! Requests that are begun as they are read, without a task of their own: reads and writes of whole blocks that have
//! nothing to wait for but the disk. That is nearly all of them, and a task costs more than everything else about them.

use std::sync::Arc;

use super::frame::Kind;
use super::server::{Asked, ReplicaServer, Session, remote};
use crate::disk::AlignedBuf;

impl ReplicaServer {
    /// Begins a request, which will be answered by itself; gives back what has to take the long way.
    pub(super) fn begin_at_once(
        &self,
        session: &Session,
        asked: Asked,
        payload: AlignedBuf,
    ) -> Option<(Asked, AlignedBuf)> {
        let header = asked.header;
        let may = matches!(header.kind, Kind::Read | Kind::Write) && !header.stable;
        // Held for the whole request, as on the long way.
        let open = may.then(|| Arc::clone(&self.open).try_read_owned().ok()).flatten();
        let (Some(open), Ok(()), Some(queue)) = (open, self.check_speaks(session), self.queue()) else {
            return Some((asked, payload));
        };
        let Some(replica) = &*open else { return Some((asked, payload)) };
        if header.kind == Kind::Read {
            let Some(read) = replica.ready_read(header.offset, header.length) else { return Some((asked, payload)) };
            read.start(queue, move |outcome| {
                drop(open);
                asked.answer(outcome.map_err(remote));
            });
        } else {
            let length = payload.len() as u64;
            let Some(write) = replica.ready_write(header.offset, length) else { return Some((asked, payload)) };
            write.start(queue, payload, move |outcome| {
                drop(open);
                asked.answer(outcome.map(|()| AlignedBuf::default()).map_err(remote));
            });
        }
        None
    }
}
