//! `updateUnmapMarkSnapChainRemoved`: whether a trim marks the snapshots below the head as removed.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateUnmapMarkSnapChainRemovedInput;

use super::action::{self, Target};
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(target: Target, input: UpdateUnmapMarkSnapChainRemovedInput) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("unmapMarkSnapChainRemoved", &input.unmap_mark_snap_chain_removed)?;
    action::change(&target, |volume| {
        volume.spec.unmap_mark_snap_chain_removed = wished;
        Ok(())
    })
    .await
}
