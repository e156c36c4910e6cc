//! Writes that a power cut ended half-way, as the next open of the replica judges them (`replica::unfinished`).

use std::collections::BTreeMap;

use super::finding::FindingKind;
use super::structure::Judge;
use super::survey::Survey;
use crate::disk::BLOCK_SIZE;
use crate::disk::image::{Access, ImageFile};
use crate::replica::ReplicaError;
use crate::replica::extent_map::Blocks;
use crate::replica::metadata::VolumeMeta;
use crate::replica::open::open_backing;
use crate::replica::stack::Layers;
use crate::replica::unfinished::{has_unwritten, hiding_data};

impl Judge<'_> {
    /// Blocks of the head that are to be read from below it, with a note that says so.
    pub(super) fn unfinished(&mut self, chains: &BTreeMap<String, Result<Vec<String>, String>>) -> Vec<Blocks> {
        let Some(meta) = self.survey.volume.meta().filter(|meta| meta.dirty && !meta.rebuilding) else {
            return Vec::new();
        };
        let fence = self.survey.small_files.fence.value();
        let (Some(Ok(chain)), true) = (chains.get(&meta.head), fence.is_some_and(|fence| fence.zeros_written)) else {
            return Vec::new();
        };
        // A file that cannot be opened or mapped is found, and told, by whoever reads it.
        let parts = find(self.survey, meta, chain).unwrap_or_default();
        if !parts.is_empty() {
            let bytes: u64 = parts.iter().map(|part| (part.end - part.start) * BLOCK_SIZE).sum();
            let what = format!("writes of {bytes} bytes had not ended when the power went, and had not been flushed");
            let advice = "their blocks are read as they were before; the next start of the replica takes them back. Longhorn \
                          would read zeros there";
            self.find(FindingKind::UnfinishedWrites, &meta.head, what, advice);
        }
        parts
    }
}

fn find(survey: &Survey, meta: &VolumeMeta, chain: &[String]) -> Result<Vec<Blocks>, ReplicaError> {
    let head = ImageFile::open(&survey.directory.file(&meta.head), Access::ReadOnly)?;
    let blocks = 0..meta.size / BLOCK_SIZE;
    if !has_unwritten(&head, blocks.clone())? {
        return Ok(Vec::new());
    }
    let backing = open_backing(&meta.backing_file_path, meta.size)?;
    let lower = Layers::load(&survey.directory, chain.get(1..).unwrap_or_default(), meta.size, backing)?;
    hiding_data(&head, &lower, blocks)
}
