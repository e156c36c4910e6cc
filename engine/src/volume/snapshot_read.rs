//! Reading a snapshot of a live volume: what backups, clones and exports are made of.
//!
//! Members agree on what a snapshot shows, not on which of their layers holds it, nor on which blocks are held at all: a
//! member may hold zeros, or a copy of what lies below, where another has a hole. So a pass takes extents and data from
//! one member, and when that one is lost, starts over behind what it handed out with another one's extents. That is
//! right: both show the same bytes everywhere, a block that one does not list reads below its own layers (as zeros, or
//! as the backing file) on both. The same holds for what changed since an older snapshot: where the two snapshots
//! differ, every member has a layer between them that says so.
//!
//! Invariant: all pieces of a pass are of one snapshot. Its removal ends the pass, and so does a new snapshot that takes
//! its name before anybody noticed.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::StreamExt;
use futures::stream::FuturesOrdered;

use super::barrier::OperationError;
use super::repair::{self, Repairs};
use super::{Shared, Volume, read_choice};
use crate::disk::AlignedBuf;
use crate::link::control::{ControlReply, ControlRequest, RemoteErrorKind};
use crate::link::{LinkError, ReplicaLink};
use crate::replica::{SnapshotFacts, SnapshotSelection};

/// Bytes of one piece. Large enough for the disks, small enough to let foreground requests in between.
pub const PIECE: u64 = 1 << 20;
/// Pieces read ahead. Bounds the memory of a pass to a few MiB, whoever takes the pieces and however slowly.
const PARALLEL: usize = 4;
/// Extents asked for at once.
const EXTENTS: usize = 4096;

/// A part of a snapshot's content.
#[derive(Debug)]
pub struct SnapshotPiece {
    /// Bytes from the start of the volume, a multiple of 4096.
    pub offset: u64,
    /// At most [`PIECE`] bytes, whole blocks.
    pub data: AlignedBuf,
}

impl Volume {
    /// What there is to read of a snapshot from byte `from` on.
    ///
    /// # Errors
    /// [`OperationError::Refused`] where there is no such snapshot (any more).
    pub async fn snapshot_facts(
        &self,
        selection: &SnapshotSelection,
        from: u64,
    ) -> Result<SnapshotFacts, OperationError> {
        self.shared.refuse_while_remote("read a snapshot of it")?;
        let request = ControlRequest::SnapshotFacts { selection: selection.clone(), from };
        match self.shared.any_member(|link| ask(link, request.clone())).await? {
            ControlReply::SnapshotFacts(facts) => Ok(facts),
            other => Err(OperationError::Failed(format!("a question about a snapshot was answered with {other:?}"))),
        }
    }

    /// Ranges `(offset, length)` in bytes of a snapshot's data at or after `from`, at most `max`, of one member: the next
    /// call may ask another, whose ranges differ where a hole and allocated zeros are the same to a reader.
    ///
    /// # Errors
    /// As [`Volume::snapshot_facts`].
    pub async fn snapshot_extents(
        &self,
        selection: &SnapshotSelection,
        from: u64,
        max: usize,
    ) -> Result<Vec<(u64, u64)>, OperationError> {
        self.shared.any_member(|link| async move { extents(&link, selection, from, max).await }).await
    }

    /// `length` bytes of a snapshot from `offset` on, at any alignment; at most a few MiB at a time.
    ///
    /// # Errors
    /// As [`Volume::snapshot_facts`], and past the end of the volume.
    pub async fn read_snapshot(&self, name: &str, offset: u64, length: u32) -> Result<AlignedBuf, OperationError> {
        let repairs = &self.shared.repairs;
        self.shared.any_member(|link| async move { read_piece(repairs, &link, name, offset, length).await }).await
    }

    /// Goes through the selected data of a snapshot once, in order, from byte `from` (a multiple of 4096) on.
    #[must_use]
    pub fn snapshot_pass(&self, selection: SnapshotSelection, from: u64) -> SnapshotPass {
        let replaced = self.shared.passes.begin(&selection.name);
        SnapshotPass {
            shared: Arc::clone(&self.shared),
            selection,
            replaced,
            handed_out: from,
            source: None,
            lost: Vec::new(),
            last_error: "no replica has all data".to_owned(),
        }
    }
}

/// A pass through a snapshot. Reads ahead a little, and only while somebody waits for the next piece.
pub struct SnapshotPass {
    shared: Arc<Shared>,
    selection: SnapshotSelection,
    /// Another snapshot of this name was taken: this one is gone.
    replaced: Arc<AtomicBool>,
    /// All data before this byte has been handed out.
    handed_out: u64,
    source: Option<Source>,
    /// Members that broke off in this pass.
    lost: Vec<ReplicaLink>,
    last_error: String,
}

/// The member that a pass reads from, and how far.
struct Source {
    link: ReplicaLink,
    listing: Listing,
    waiting: VecDeque<(u64, u32)>,
    reading: FuturesOrdered<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<SnapshotPiece, LinkError>> + Send>>;

#[derive(Clone, Copy)]
enum Listing {
    /// Extents are known up to this byte.
    UpTo(u64),
    Complete,
}

impl SnapshotPass {
    /// The next piece; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// [`OperationError::Refused`] when the snapshot is no more, [`OperationError::Failed`] when no member is left to
    /// read from. The pass is over then.
    pub async fn next(&mut self) -> Result<Option<SnapshotPiece>, OperationError> {
        loop {
            let source = match &mut self.source {
                Some(source) => source,
                none => none.insert(Source::new(choose(&self.shared, &self.lost, &self.last_error)?, self.handed_out)),
            };
            match source.next(&self.shared, &self.selection).await {
                Ok(piece) => {
                    self.check()?;
                    if let Some(piece) = &piece {
                        self.handed_out = piece.offset + piece.data.len() as u64;
                    }
                    return Ok(piece);
                }
                Err(error) => {
                    self.shared.refusal(&source.link, &error)?;
                    self.last_error = error.to_string();
                    self.lost.push(source.link.clone());
                    self.source = None;
                }
            }
        }
    }

    /// The member that is read from now.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_ref().map(|source| source.link.name())
    }

    fn check(&self) -> Result<(), OperationError> {
        if self.replaced.load(Ordering::SeqCst) {
            let message = format!("snapshot {} was removed while it was read", self.selection.name);
            return Err(OperationError::Refused(message));
        }
        self.shared.membership.check_running().map_err(|error| OperationError::Failed(error.message))
    }
}

/// The best member but for those that broke off.
fn choose(shared: &Shared, lost: &[ReplicaLink], last_error: &str) -> Result<ReplicaLink, OperationError> {
    let members = read_choice::in_order(&shared.membership.view(), &shared.membership.read_turn);
    let fresh = members.into_iter().find(|link| !lost.iter().any(|lost| lost.is_same(link)));
    fresh.ok_or_else(|| OperationError::Failed(last_error.to_owned()))
}

impl Source {
    fn new(link: ReplicaLink, from: u64) -> Self {
        Self { link, listing: Listing::UpTo(from), waiting: VecDeque::new(), reading: FuturesOrdered::new() }
    }

    async fn next(
        &mut self,
        shared: &Arc<Shared>,
        selection: &SnapshotSelection,
    ) -> Result<Option<SnapshotPiece>, LinkError> {
        if self.reading.is_empty() && self.waiting.is_empty() {
            self.list(selection).await?;
        }
        while self.reading.len() < PARALLEL
            && let Some((offset, length)) = self.waiting.pop_front()
        {
            let (shared, link, name) = (Arc::clone(shared), self.link.clone(), selection.name.clone());
            self.reading.push_back(Box::pin(async move {
                let data = read_piece(&shared.repairs, &link, &name, offset, length).await?;
                Ok(SnapshotPiece { offset, data })
            }));
        }
        self.reading.next().await.transpose()
    }

    async fn list(&mut self, selection: &SnapshotSelection) -> Result<(), LinkError> {
        let Listing::UpTo(from) = self.listing else { return Ok(()) };
        let found = extents(&self.link, selection, from, EXTENTS).await?;
        self.listing = match found.last() {
            Some((offset, length)) if found.len() == EXTENTS => Listing::UpTo(offset + length),
            _ => Listing::Complete,
        };
        self.waiting.extend(found.iter().flat_map(|&(offset, length)| pieces(offset, length)));
        Ok(())
    }
}

impl Drop for SnapshotPass {
    /// The member need not keep the snapshot's files open any longer.
    fn drop(&mut self) {
        let (Some(source), Ok(runtime)) = (self.source.take(), tokio::runtime::Handle::try_current()) else { return };
        let request = ControlRequest::SnapshotForget { name: self.selection.name.clone() };
        // Its answer is of no interest: the replica forgets by itself sooner or later.
        runtime.spawn(async move { source.link.control(&request).await.map(drop) });
    }
}

fn pieces(offset: u64, length: u64) -> impl Iterator<Item = (u64, u32)> {
    let starts = (0..length).step_by(usize::try_from(PIECE).unwrap_or(usize::MAX));
    starts.map(move |at| (offset + at, u32::try_from(PIECE.min(length - at)).unwrap_or(u32::MAX)))
}

/// What a member's disk has changed is repaired later; whoever asks goes on with another member.
async fn read_piece(
    repairs: &Repairs,
    link: &ReplicaLink,
    name: &str,
    offset: u64,
    length: u32,
) -> Result<AlignedBuf, LinkError> {
    let read = link.snapshot_read(name, offset, length).await;
    if read.as_ref().is_err_and(repair::is_damage)
        && let Ok(image) = crate::replica::names::snapshot_image(name)
    {
        repairs.want(link, &image, offset, u64::from(length));
    }
    read
}

async fn ask(link: ReplicaLink, request: ControlRequest) -> Result<ControlReply, LinkError> {
    link.control(&request).await
}

async fn extents(
    link: &ReplicaLink,
    selection: &SnapshotSelection,
    from: u64,
    maximum: usize,
) -> Result<Vec<(u64, u64)>, LinkError> {
    match link.control(&ControlRequest::SnapshotExtents { selection: selection.clone(), from, maximum }).await? {
        ControlReply::Extents(extents) => Ok(extents),
        other => {
            let cause = format!("answered a question for a snapshot's extents with {other:?}");
            Err(LinkError::Lost { replica: link.name().to_owned(), cause })
        }
    }
}

impl Shared {
    /// The answer of the best member that has one.
    pub(super) async fn any_member<T, F>(&self, ask: impl Fn(ReplicaLink) -> F) -> Result<T, OperationError>
    where
        F: Future<Output = Result<T, LinkError>>,
    {
        let over = |error: crate::frontend::IoError| OperationError::Failed(error.message);
        self.membership.check_running().map_err(over)?;
        let mut last = "no replica has all data".to_owned();
        for link in read_choice::in_order(&self.membership.view(), &self.membership.read_turn) {
            match ask(link.clone()).await {
                Ok(answer) => return self.membership.check_running().map_err(over).map(|()| answer),
                Err(error) => {
                    self.refusal(&link, &error)?;
                    last = error.to_string();
                }
            }
        }
        Err(OperationError::Failed(last))
    }

    /// Whether another member would say the same: it has the same snapshots. A damaged disk or a lost link is the
    /// member's own; the latter is noticed and reported by its watcher.
    fn refusal(&self, link: &ReplicaLink, error: &LinkError) -> Result<(), OperationError> {
        match error.remote_kind() {
            Some(RemoteErrorKind::Refused | RemoteErrorKind::OutOfRange) => {
                Err(OperationError::Refused(error.to_string()))
            }
            Some(RemoteErrorKind::Fenced) => {
                self.membership.report(link, error);
                Err(OperationError::Failed(error.to_string()))
            }
            Some(RemoteErrorKind::NoSpace | RemoteErrorKind::Damaged | RemoteErrorKind::Failed) | None => Ok(()),
        }
    }
}

/// The snapshots that are being read, by name.
#[derive(Default)]
pub(crate) struct Passes(Mutex<Vec<(String, Weak<AtomicBool>)>>);

impl Passes {
    pub(super) fn begin(&self, name: &str) -> Arc<AtomicBool> {
        let replaced = Arc::new(AtomicBool::new(false));
        let mut passes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passes.retain(|(_, pass)| pass.strong_count() > 0);
        passes.push((name.to_owned(), Arc::downgrade(&replaced)));
        replaced
    }

    /// A snapshot of this name is about to be taken: one that had the name before is gone.
    pub(crate) fn end_those_of(&self, name: &str) {
        let passes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, pass) in passes.iter().filter(|(other, _)| other == name) {
            if let Some(replaced) = pass.upgrade() {
                replaced.store(true, Ordering::SeqCst);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_an_extent_once() {
        assert_eq!(pieces(4096, 0).count(), 0);
        let found: Vec<_> = pieces(8192, 2 * PIECE + 4096).collect();
        assert_eq!(found, [(8192, 1 << 20), (8192 + PIECE, 1 << 20), (8192 + 2 * PIECE, 4096)]);
    }
}
