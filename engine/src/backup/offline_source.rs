//! A snapshot in a replica directory that nobody serves, as the source of a backup: for people without a cluster, and
//! for volumes of which nothing but a directory is left.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use time::OffsetDateTime;

use super::source::{Base, BlockSource, Ranges, SourceError};
use super::store_access;
use crate::image_format::ImageSource;
use crate::offline::{LayerReader, OfflineError, Structure, Survey, Wanted};
use crate::replica::names;

/// Keeps replicas from starting on the directory as long as it lives. Changes nothing in it.
#[derive(Debug)]
pub struct OfflineSource {
    survey: Survey,
    reader: Arc<LayerReader>,
    taken_at: Option<OffsetDateTime>,
}

impl OfflineSource {
    /// Opens a snapshot. Blocks.
    ///
    /// # Errors
    /// The directory cannot be looked at, or the snapshot not be read.
    pub fn open(directory: &Path, snapshot: &str) -> Result<Self, OfflineError> {
        let survey = Survey::of(directory)?;
        let structure = Structure::of(&survey);
        let reader = LayerReader::open(&survey, &structure, &Wanted::Snapshot(snapshot.to_owned()))?;
        let image = names::snapshot_image(snapshot).unwrap_or_default();
        let record = survey.records.get(&image);
        let taken_at = record.and_then(|record| store_access::parse_time(&record.created));
        Ok(Self { survey, reader: Arc::new(reader), taken_at })
    }

    /// Bytes of the volume now.
    #[must_use]
    pub fn volume_size(&self) -> u64 {
        self.survey.volume.meta().map_or(self.reader.size(), |meta| meta.size)
    }

    /// Labels of a snapshot, for its backup.
    #[must_use]
    pub fn labels(&self, snapshot: &str) -> std::collections::BTreeMap<String, String> {
        let image = names::snapshot_image(snapshot).unwrap_or_default();
        self.survey.records.get(&image).and_then(|record| record.labels.clone()).unwrap_or_default()
    }

    /// The image of a base; `None`: it is not there, not wanted any more, or taken after the backup.
    fn base_image(&self, base: &Base) -> Option<String> {
        let image = names::snapshot_image(&base.snapshot).ok()?;
        let record = self.survey.records.get(&image).filter(|record| !record.removed)?;
        match (store_access::parse_time(&record.created), base.backed_up_at) {
            (Some(taken), Some(backed_up)) if taken > backed_up => None,
            _ => Some(image),
        }
    }
}

impl BlockSource for OfflineSource {
    fn size(&self) -> u64 {
        self.reader.size()
    }

    fn taken_at(&self) -> Option<OffsetDateTime> {
        self.taken_at
    }

    fn ranges<'call>(
        &'call self,
        base: Option<&'call Base>,
        from: u64,
    ) -> BoxFuture<'call, Result<Option<Ranges>, SourceError>> {
        let ranges = || {
            let image = match base.map(|base| self.base_image(base)) {
                Some(None) => return Ok(None),
                Some(image) => image,
                None => None,
            };
            let held = self.reader.held_since(image.as_deref())?;
            Ok(held.map(|held| held.into_iter().filter(|(offset, _)| *offset >= from).collect()))
        };
        std::future::ready(ranges()).boxed()
    }

    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, SourceError>> {
        let reader = Arc::clone(&self.reader);
        async move {
            let read = tokio::task::spawn_blocking(move || reader.read_at(offset, length));
            Ok(Bytes::from_owner(read.await??))
        }
        .boxed()
    }
}
