//! Streams of a link for bulk copying, beside its lanes: opened when a copy begins, closed when it ends.
//!
//! They carry the session and the number of the link that they belong to, so the replica fences and orders them as
//! part of it, and a bulk stream never makes a session: where the link itself speaks no more, its HELLO is refused.
//! Requests end with the link. The reverse does not hold: a fault of a bulk stream fails the copy that uses it and
//! says nothing about the member, whose own lanes tell soon enough when it is gone.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::client::{LinkError, ReplicaLink, Request};
use super::control::{ControlReply, ControlRequest, Hello};
use super::hello::open_stream;
use super::lanes::{Lanes, Sharing};
use super::parts;
use crate::disk::AlignedBuf;

/// How long one request of at most a few MiB may take. Nobody else watches these streams, and one that stands still
/// must not hold a copy up for ever.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Ends when it is dropped.
pub(crate) struct BulkLink {
    link: ReplicaLink,
    lanes: Arc<Lanes>,
}

impl BulkLink {
    /// Opens `streams` more streams (at least one) to where the link goes.
    pub(crate) async fn open(link: &ReplicaLink, streams: usize) -> Result<Self, LinkError> {
        let hello = Hello { bulk: true, ..link.hello().clone() };
        let mut opened = Vec::new();
        while opened.is_empty() || opened.len() < streams {
            opened.push(open_stream(link.name(), link.address(), &hello).await?.0);
        }
        Ok(Self { link: link.clone(), lanes: Lanes::start(link.name(), opened, Sharing::InTurn) })
    }

    /// The link that these streams belong to.
    pub(crate) fn link(&self) -> &ReplicaLink {
        &self.link
    }

    pub(crate) fn name(&self) -> &str {
        self.link.name()
    }

    pub(crate) async fn control(&self, request: &ControlRequest) -> Result<ControlReply, LinkError> {
        self.in_time(self.lanes.control(request)).await
    }

    /// Raw bytes of parts of one layer's file, counted from `offset`, one behind the other.
    pub(crate) async fn layer_read(
        &self,
        layer: &str,
        offset: u64,
        parts: &[Range<u32>],
    ) -> Result<AlignedBuf, LinkError> {
        let data = self.in_time(self.lanes.request(Request::layer_read(layer, offset, parts))).await?;
        let wanted = parts::bytes_of(parts);
        if data.len() == wanted as usize {
            return Ok(data);
        }
        let cause = format!("answered a question for {wanted} bytes of {layer} with {}", data.len());
        Err(LinkError::Lost { replica: self.name().to_owned(), cause })
    }

    /// Writes `data` into parts of one layer's file of a replica that is being rebuilt.
    pub(crate) async fn layer_write(
        &self,
        layer: &str,
        offset: u64,
        parts: &[Range<u32>],
        data: &[u8],
    ) -> Result<(), LinkError> {
        let request = Request::layer_write(layer, offset, parts, data);
        self.in_time(self.lanes.request(request)).await.map(drop)
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
        let lost = |cause: String| Err(LinkError::Lost { replica: self.name().to_owned(), cause });
        tokio::select! {
            answer = tokio::time::timeout(ANSWER_TIMEOUT, answer) => answer.unwrap_or_else(|_| {
                let cause = format!("no answer on its bulk streams within {} s", ANSWER_TIMEOUT.as_secs());
                self.lanes.fail(&cause);
                lost(cause)
            }),
            () = self.link.lost() => lost(self.link.lost_cause().unwrap_or("the link was lost").to_owned()),
        }
    }
}
