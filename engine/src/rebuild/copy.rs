//! Moving the layers of a volume to a replica that joins.
//!
//! Only what a layer's file holds is moved, extent by extent, so that the copy has the same holes. Layers never change
//! while they are copied: all writes go to the head. Each group of layers comes from one member (`groups`), different
//! groups from different members at the same time. When a source is lost, what it gave of an unfinished group goes
//! again, and another source gives the whole group.
//!
//! A fault of a source, or of its bulk streams, leaves that member out of this copy and nothing else; whether it is
//! still a good member is told by its own lanes. A fault of the joiner ends the copy.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::groups::Group;
use super::pace::{self, DEPTH_PIECES, PIECE, Pace};
use super::sources::{self, Source, TARGET_STREAMS};
use super::state::Progress;
use crate::crash_point;
use crate::disk::BLOCK_SIZE;
use crate::link::bulk::BulkLink;
use crate::link::control::ControlRequest;
use crate::link::extents::ExtentPages;
use crate::link::parts::{PARTS_MAXIMUM, Parts};
use crate::link::{LinkError, ReplicaLink};
use crate::replica::LayerInfo;
use crate::volume::Shared;
use crate::volume::barrier::OperationError;
use crate::volume::read_choice;

/// Holes of at most this many bytes are read and sent along. Moving a piece costs more than that many zeros, and what is
/// sent is at most three times the data.
const HOLE_MAXIMUM: u64 = 2 * BLOCK_SIZE;

/// Copies every layer but the head.
pub(super) async fn layers(
    shared: &Shared,
    target: &ReplicaLink,
    layers: &[LayerInfo],
    progress: &Progress,
) -> Result<(), OperationError> {
    let failed = |error: LinkError| OperationError::Failed(error.to_string());
    let links = read_choice::in_order(&shared.membership.view(), &shared.membership.read_turn);
    let target = BulkLink::open(target, TARGET_STREAMS).await.map_err(failed)?;
    let sources = sources::open(&links, progress).await;
    let groups = sources::plan(Group::all_of(layers), &sources).await;
    progress.plan(groups.iter().map(|group| group.planned_bytes).sum());
    shared.changed.tell();
    let copy = Copy { shared, pace: shared.rebuilds.pace(), target: &target, progress };
    tokio::select! {
        copied = copy.all(groups, sources) => copied,
        never = pace::follow(copy.pace, shared) => match never {},
    }
}

struct Copy<'run> {
    shared: &'run Shared,
    pace: &'run Arc<Pace>,
    target: &'run BulkLink,
    progress: &'run Progress,
}

/// Whose fault it is that a copy broke off.
enum CopyError {
    Source(LinkError),
    Target(LinkError),
}

/// A group and its source after the attempt.
struct Ended {
    source: Source,
    group: Group,
    bytes: u64,
    result: Result<(), CopyError>,
}

/// A range of one layer that is moved at once, with holes too small to be worth a request of their own.
struct Piece {
    offset: u64,
    /// What of it is data, in bytes from `offset` on.
    parts: Parts,
}

impl Piece {
    fn length(&self) -> u32 {
        self.parts.last().map_or(0, |part| part.end)
    }

    fn data_bytes(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.end - part.start)).sum()
    }

    /// Takes as much of the extent as there is room for; returns what is left of it.
    fn take(&mut self, (offset, length): (u64, u64)) -> (u64, u64) {
        // Only extents that begin within the piece are taken.
        let start = (offset - self.offset) as u32;
        let taken = length.min(u64::from(PIECE - start));
        self.parts.push(start..start + taken as u32);
        (offset + taken, length - taken)
    }

    /// Whether what begins at `offset` may come along.
    fn reaches(&self, offset: u64) -> bool {
        let end = self.offset + u64::from(self.length());
        offset - end <= HOLE_MAXIMUM && offset - self.offset < u64::from(PIECE) && self.parts.len() < PARTS_MAXIMUM
    }
}

impl Copy<'_> {
    async fn all(&self, mut groups: Vec<Group>, mut idle: Vec<Source>) -> Result<(), OperationError> {
        let mut lost: BTreeMap<String, String> = BTreeMap::new();
        let mut running = FuturesUnordered::new();
        let mut changes = self.pace.changes();
        loop {
            while running.len() < self.pace.sources_allowed() {
                let Some((source, group)) = sources::take_pair(&mut groups, &mut idle) else { break };
                running.push(self.group(source, group));
            }
            let ended = tokio::select! {
                ended = running.next() => ended,
                Ok(()) = changes.changed() => continue,
            };
            let Some(Ended { source, group, bytes, result }) = ended else { break };
            match result {
                Ok(()) => {
                    self.progress.replan(group.planned_bytes, bytes);
                    idle.push(source);
                    crash_point::reached("join.group-copied");
                }
                Err(CopyError::Source(error)) => {
                    tracing::warn!(%error, "a source of a rebuild is left out from here on");
                    self.progress.source_lost(source.bulk.name(), &error.to_string());
                    // What it gave is moved once more.
                    self.progress.replan(0, bytes);
                    lost.insert(source.bulk.name().to_owned(), error.to_string());
                    groups.push(Group { is_begun: true, ..group });
                }
                Err(CopyError::Target(error)) => return Err(OperationError::Failed(error.to_string())),
            }
            self.shared.changed.tell();
        }
        if groups.is_empty() { Ok(()) } else { Err(nobody_holds(&groups, &lost)) }
    }

    async fn group(&self, source: Source, group: Group) -> Ended {
        let mut bytes = 0;
        let result = self.layers_of(&source, &group, &mut bytes).await;
        self.progress.source_gives(source.bulk.name(), "");
        Ended { source, group, bytes, result }
    }

    /// Counts the bytes that got to the joiner.
    async fn layers_of(&self, source: &Source, group: &Group, bytes: &mut u64) -> Result<(), CopyError> {
        if group.is_begun {
            let empty = ControlRequest::RebuildEmpty { layers: group.names() };
            self.target.control(&empty).await.map_err(CopyError::Target)?;
        }
        for layer in &group.layers {
            self.progress.source_gives(source.bulk.name(), crate::volume::status::snapshot_name(&layer.file_name));
            self.layer(&source.bulk, &layer.file_name, bytes).await?;
        }
        Ok(())
    }

    /// Whatever the outcome, nothing of it is on its way to the joiner any more when this returns.
    async fn layer(&self, source: &BulkLink, layer: &str, bytes: &mut u64) -> Result<(), CopyError> {
        let mut pieces = Pieces::of(layer);
        let mut flying = FuturesUnordered::new();
        let mut outcome = Ok(());
        loop {
            while outcome.is_ok() && flying.len() < DEPTH_PIECES {
                match pieces.next(source).await {
                    Ok(Some(piece)) => flying.push(self.piece(source, layer, piece)),
                    Ok(None) => break,
                    Err(error) => outcome = Err(CopyError::Source(error)),
                }
            }
            match flying.next().await {
                None => return outcome,
                Some(Ok(copied)) => {
                    *bytes += copied;
                    self.progress.copied(source.name(), copied);
                    self.shared.changed.tell();
                }
                Some(Err(error)) => outcome = outcome.and(Err(error)),
            }
        }
    }

    /// Returns the bytes moved.
    async fn piece(&self, source: &BulkLink, layer: &str, piece: Piece) -> Result<u64, CopyError> {
        let _admitted = self.pace.admit(piece.length()).await;
        let data = source.layer_read(layer, piece.offset, piece.length()).await.map_err(CopyError::Source)?;
        let written = self.target.layer_write(layer, piece.offset, &data, &piece.parts).await;
        written.map_err(CopyError::Target)?;
        Ok(piece.data_bytes())
    }
}

/// The pieces of a layer, in order.
struct Pieces {
    pages: ExtentPages,
    extents: Peekable<std::vec::IntoIter<(u64, u64)>>,
    /// What is left of the extent that is being cut up.
    rest: (u64, u64),
}

impl Pieces {
    fn of(layer: &str) -> Self {
        Self { pages: ExtentPages::of(layer), extents: Vec::new().into_iter().peekable(), rest: (0, 0) }
    }

    async fn next(&mut self, source: &BulkLink) -> Result<Option<Piece>, LinkError> {
        while self.rest.1 == 0 {
            if let Some(extent) = self.extents.next() {
                self.rest = extent;
            } else if let Some(request) = self.pages.next_request() {
                self.extents = self.pages.take(source.name(), source.control(&request).await?)?.into_iter().peekable();
            } else {
                return Ok(None);
            }
        }
        let mut piece = Piece { offset: self.rest.0, parts: Parts::new() };
        self.rest = piece.take(self.rest);
        while self.rest.1 == 0 {
            let Some(extent) = self.extents.next_if(|&(offset, _)| piece.reaches(offset)) else { break };
            self.rest = piece.take(extent);
        }
        Ok(Some(piece))
    }
}

fn nobody_holds(groups: &[Group], lost: &BTreeMap<String, String>) -> OperationError {
    let layers: Vec<String> = groups.iter().flat_map(Group::names).collect();
    if let Some(error) = lost.values().next_back() {
        return OperationError::Failed(format!("no replica is left to copy {} from: {error}", layers.join(", ")));
    }
    OperationError::Failed(format!(
        "no replica that can be reached holds {} as it was when the rebuild began; start the rebuild again",
        layers.join(", ")
    ))
}
