//! `updateDataLocality`: whether a replica is to be where the volume is attached.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateDataLocalityInput;

use super::action::{self, Target};
use super::rules;
use crate::error::ApiError;

/// Answers with the volume.
pub async fn handle(target: Target, input: UpdateDataLocalityInput) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("dataLocality", &input.data_locality)?;
    action::change(&target, |volume| {
        rules::strict_local_change(volume, wished)?;
        let spec = &mut volume.spec;
        rules::strict_local_replicas(wished, spec.number_of_replicas)?;
        rules::strict_local_access(wished, spec.access_mode, spec.migratable)?;
        spec.data_locality = wished;
        Ok(())
    })
    .await
}
