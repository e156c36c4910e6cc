//! A snapshot of the running volume as what a backup reads.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::Volume;
use super::super::barrier::OperationError;
use super::super::snapshot_read::PIECE;
use super::super::transfer::Crossing;
use crate::backup::source::{Base, BlockSource, SourceError};
use crate::link::control::ControlRequest;
use crate::replica::{LayerInfo, SnapshotSelection};

/// Pieces that are read of the replicas at once, by all blocks in work together: enough for the disks, and little in
/// the way of foreground requests.
const PARALLEL: u32 = 4;
/// Ranges told at a time.
const RANGES: usize = 4096;

/// One snapshot of one running volume. All that is read of it is of the very snapshot that it was opened on: when that
/// one is removed, or another one takes its name, reads fail.
pub(super) struct SnapshotSource {
    volume: Volume,
    name: String,
    size: u64,
    taken_at: Option<OffsetDateTime>,
    crossing: Crossing,
    /// Another snapshot of this name was taken.
    replaced: Arc<AtomicBool>,
}

impl SnapshotSource {
    /// # Errors
    /// [`OperationError::Refused`] where there is no such snapshot.
    pub(super) async fn open(volume: &Volume, name: &str) -> Result<Self, OperationError> {
        // Before the look: what takes the name from now on is noticed.
        let replaced = volume.shared.passes.begin(name);
        let facts = volume.snapshot_facts(&SnapshotSelection::all_of(name), 0).await?;
        volume.look_at_layers().await;
        let file_name = image(name);
        let layers = volume.shared.layers.get();
        let layer = layers.iter().find(|layer| layer.file_name == file_name);
        let taken_at = layer.and_then(|layer| OffsetDateTime::parse(&layer.created, &Rfc3339).ok());
        let crossing = Crossing::from_here(PARALLEL);
        Ok(Self { volume: volume.clone(), name: name.to_owned(), size: facts.size, taken_at, crossing, replaced })
    }

    /// Resolves when nothing is read any more; the replicas need not keep the snapshot's files open any longer then.
    pub(super) async fn close(&self) {
        self.crossing.drained().await;
        let view = self.volume.shared.membership.view();
        let request = ControlRequest::SnapshotForget { name: self.name.clone() };
        // Answers are of no interest: replicas forget by themselves sooner or later.
        futures::future::join_all(view.members.iter().map(|member| member.link.control(&request))).await;
    }

    fn check(&self) -> Result<(), SourceError> {
        if self.replaced.load(Ordering::SeqCst) {
            return Err(format!("snapshot {} was removed while it was backed up", self.name).into());
        }
        Ok(())
    }

    async fn is_ancestor(&self, base: &Base) -> Result<bool, SourceError> {
        let volume = self.volume.clone();
        let looked = self.crossing.run(async move {
            volume.look_at_layers().await;
            volume.shared.layers.get()
        });
        Ok(is_ancestor(&looked.await?, &self.name, base))
    }

    async fn extents(&self, base: Option<&Base>, from: u64) -> Result<Vec<(u64, u64)>, SourceError> {
        let changed_since = base.map(|base| base.snapshot.clone());
        let selection = SnapshotSelection { name: self.name.clone(), changed_since, backing_file: false };
        let volume = self.volume.clone();
        let asked = self.crossing.run(async move { volume.snapshot_extents(&selection, from, RANGES).await });
        let found = asked.await??;
        self.check()?;
        Ok(found)
    }

    async fn piece(&self, offset: u64, length: u32) -> Result<crate::disk::AlignedBuf, SourceError> {
        let (volume, name) = (self.volume.clone(), self.name.clone());
        let data = self.crossing.run(async move { volume.read_snapshot(&name, offset, length).await }).await??;
        self.check()?;
        Ok(data)
    }
}

impl BlockSource for SnapshotSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn taken_at(&self) -> Option<OffsetDateTime> {
        self.taken_at
    }

    fn ranges<'call>(
        &'call self,
        base: Option<&'call Base>,
        from: u64,
    ) -> BoxFuture<'call, Result<Option<Vec<(u64, u64)>>, SourceError>> {
        Box::pin(async move {
            if let Some(base) = base
                && !self.is_ancestor(base).await?
            {
                return Ok(None);
            }
            match (self.extents(base, from).await, base) {
                (Ok(found), _) => Ok(Some(found)),
                // It may have been removed between the two looks.
                (Err(_), Some(base)) if !self.is_ancestor(base).await? => Ok(None),
                (Err(error), _) => Err(error),
            }
        })
    }

    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, SourceError>> {
        Box::pin(async move {
            let mut pieces = stream::iter(pieces(offset, length))
                .map(|(offset, length)| self.piece(offset, length))
                .buffered(PARALLEL as usize);
            let mut data = BytesMut::with_capacity(length as usize);
            while let Some(piece) = pieces.try_next().await? {
                data.extend_from_slice(&piece);
            }
            Ok(data.freeze())
        })
    }
}

/// A range in pieces of at most [`PIECE`] bytes.
pub(in crate::volume) fn pieces(offset: u64, length: u32) -> impl Iterator<Item = (u64, u32)> {
    let piece = u32::try_from(PIECE).unwrap_or(u32::MAX);
    let starts = (0..length).step_by(PIECE as usize);
    starts.map(move |at| (offset + u64::from(at), piece.min(length - at)))
}

fn image(snapshot: &str) -> String {
    format!("volume-snap-{snapshot}.img")
}

/// Whether the snapshot `name` stands on the very snapshot that was backed up before, and that one is still a snapshot.
fn is_ancestor(layers: &[LayerInfo], name: &str, base: &Base) -> bool {
    let by_name: HashMap<&str, &LayerInfo> = layers.iter().map(|layer| (layer.file_name.as_str(), layer)).collect();
    let wanted = image(&base.snapshot);
    let mut next = by_name.get(image(name).as_str()).copied();
    for _ in layers {
        let Some(layer) = next.and_then(|layer| by_name.get(layer.parent.as_str()).copied()) else { return false };
        if layer.file_name == wanted {
            return !layer.removed && !is_later(&layer.created, base.backed_up_at);
        }
        next = Some(layer);
    }
    false
}

/// Whether a snapshot was taken after that time. One that came with a clone or a restore has no time, and was the first.
fn is_later(created: &str, backed_up_at: Option<OffsetDateTime>) -> bool {
    match (OffsetDateTime::parse(created, &Rfc3339), backed_up_at) {
        (Ok(created), Some(backed_up_at)) => created > backed_up_at,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn layer(name: &str, parent: &str, created: &str, removed: bool) -> LayerInfo {
        LayerInfo {
            file_name: format!("volume-snap-{name}.img"),
            parent: if parent.is_empty() { String::new() } else { format!("volume-snap-{parent}.img") },
            removed,
            user_created: true,
            created: created.to_owned(),
            file_size: 1 << 20,
            allocated_bytes: 0,
            is_head: false,
            labels: std::collections::BTreeMap::new(),
            image_missing: false,
        }
    }

    #[test]
    fn a_base_is_a_live_ancestor_that_is_older_than_its_backup() {
        let layers = [
            layer("a", "", "2026-01-01T10:00:00Z", false),
            layer("b", "a", "2026-01-01T11:00:00Z", false),
            layer("c", "b", "2026-01-01T12:00:00Z", false),
            layer("side", "a", "2026-01-01T11:30:00Z", false),
            layer("gone", "a", "2026-01-01T11:40:00Z", true),
            layer("above", "gone", "2026-01-01T11:50:00Z", false),
        ];
        let base = |snapshot: &str, at| Base { snapshot: snapshot.to_owned(), backed_up_at: at };
        let noon = Some(datetime!(2026-01-01 12:00 UTC));
        assert!(is_ancestor(&layers, "c", &base("a", noon)));
        assert!(is_ancestor(&layers, "c", &base("b", Some(datetime!(2026-01-01 11:00 UTC)))), "in the same second");
        assert!(is_ancestor(&layers, "c", &base("b", None)));
        assert!(
            !is_ancestor(&layers, "c", &base("b", Some(datetime!(2026-01-01 10:59 UTC)))),
            "another one of the name"
        );
        assert!(!is_ancestor(&layers, "c", &base("c", noon)), "itself");
        assert!(!is_ancestor(&layers, "c", &base("side", noon)), "another branch");
        assert!(!is_ancestor(&layers, "a", &base("c", noon)), "a descendant");
        assert!(!is_ancestor(&layers, "above", &base("gone", noon)), "removed");
        assert!(!is_ancestor(&layers, "nobody", &base("a", noon)));
    }

    #[test]
    fn pieces_cover_a_block_once() {
        assert_eq!(pieces(8, 0).count(), 0);
        let found: Vec<_> = pieces(4096, (2 << 20) + 5).collect();
        assert_eq!(found, [(4096, 1 << 20), (4096 + PIECE, 1 << 20), (4096 + 2 * PIECE, 5)]);
    }
}
