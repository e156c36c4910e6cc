//! Requests that came ahead of their turn: the receiver's part that keeps them.
//!
//! Invariant: what is held has its number in the session, with this connection to be woken. So a number is held once, and
//! what the initiator can make the target keep is bounded by the command window.

use tokio::io::AsyncRead;

use super::command_window::Standing;
use super::pdu::Header;
use super::receiver::{Next, ReceiveError, Receiver};
use super::request_data::RequestData;
use crate::frontend::BlockDevice;

/// A request that waits for its turn.
#[derive(Debug)]
pub(super) enum Held {
    /// Its transfer is among the transfers, under this tag.
    Command(u32),
    Other(Header, RequestData),
    /// It was rejected when it came; its number counts all the same.
    Rejected,
}

impl<D: BlockDevice, R: AsyncRead + Unpin> Receiver<D, R> {
    /// Keeps a request until its turn. False: it is known already, and whoever calls drops what belongs to it.
    pub(super) fn hold(&mut self, cmd_sn: u32, what: Held) -> bool {
        let is_new = self.to.session.hold(cmd_sn, &self.concerned);
        if is_new {
            self.held.insert(cmd_sn, what);
        }
        is_new
    }

    /// Takes up what was held and is next now.
    pub(super) async fn take_up_held(&mut self) -> Result<Next, ReceiveError> {
        while let Some(held) = self.next_held() {
            match held {
                Held::Command(tag) => self.begin(tag).await,
                Held::Rejected => {}
                Held::Other(header, data) => {
                    if let Next::End(end) = self.act(header, data).await? {
                        return Ok(Next::End(end));
                    }
                }
            }
        }
        Ok(Next::Continue)
    }

    /// What was held and has its turn now. What was aborted before its turn is dropped, with its data.
    fn next_held(&mut self) -> Option<Held> {
        if self.held.is_empty() {
            return None;
        }
        let session = &self.to.session;
        let (expected, _) = session.numbers();
        if self.held.contains_key(&expected) && session.take_turn(expected) == Standing::Next {
            return self.held.remove(&expected);
        }
        let transfers = &mut self.transfers;
        self.held.retain(|&cmd_sn, held| {
            let is_awaited = session.is_awaited(cmd_sn);
            if let (false, Held::Command(tag)) = (is_awaited, &*held) {
                transfers.remove(tag);
            }
            is_awaited
        });
        None
    }

    /// The connection has ended: the session, which may have others, no longer counts on what was kept here.
    pub(super) fn give_up(&mut self) {
        let session = &self.to.session;
        for &cmd_sn in self.held.keys() {
            session.let_go(cmd_sn, &self.concerned);
        }
        for (&tag, transfer) in &self.transfers {
            if let Some(task) = transfer.task {
                session.end(tag, task);
            }
        }
    }
}
