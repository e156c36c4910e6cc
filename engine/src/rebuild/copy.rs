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
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::groups::Group;
use super::pace::{self, DEPTH_PIECES, Pace};
use super::pieces::{Piece, Pieces};
use super::sources::{self, Source, TARGET_STREAMS};
use super::state::Progress;
use crate::crash_point;
use crate::disk::AlignedBuf;
use crate::link::bulk::BulkLink;
use crate::link::control::ControlRequest;
use crate::link::{LinkError, ReplicaLink};
use crate::replica::LayerInfo;
use crate::volume::Shared;
use crate::volume::barrier::OperationError;
use crate::volume::{read_choice, repair};

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

    /// What the source's disk has changed is repaired first, from another member.
    async fn read(&self, source: &BulkLink, layer: &str, piece: &Piece) -> Result<AlignedBuf, LinkError> {
        let Piece { offset, parts } = piece;
        let read = source.layer_read(layer, *offset, parts).await;
        if !read.as_ref().is_err_and(repair::is_damage) {
            return read;
        }
        for part in parts {
            let (start, length) = (offset + u64::from(part.start), part.len() as u64);
            repair::repair_layer(self.shared, source.link(), layer, start, length).await;
        }
        source.layer_read(layer, *offset, parts).await
    }

    /// Returns the bytes moved.
    async fn piece(&self, source: &BulkLink, layer: &str, piece: Piece) -> Result<u64, CopyError> {
        let Piece { offset, parts } = &piece;
        let _admitted = self.pace.admit(piece.bytes()).await;
        let data = self.read(source, layer, &piece).await.map_err(CopyError::Source)?;
        self.target.layer_write(layer, *offset, parts, &data).await.map_err(CopyError::Target)?;
        Ok(piece.bytes().into())
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
