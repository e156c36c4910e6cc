//! `updateAccessMode`: who may use the volume at a time.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::UpdateAccessModeInput;

use super::action::{self, Target};
use super::rules;
use crate::error::ApiError;

/// Answers with the volume. Whether it can be used in that way is said when it is attached.
pub async fn handle(target: Target, input: UpdateAccessModeInput) -> Result<Resource<Volume>, ApiError> {
    let wished = action::needed_word("accessMode", &input.access_mode)?;
    action::change(&target, |volume| {
        rules::detached(volume, "changing the accessMode")?;
        let spec = &mut volume.spec;
        rules::strict_local_access(spec.data_locality, wished, spec.migratable)?;
        rules::migratable(spec.migratable, wished)?;
        spec.access_mode = wished;
        Ok(())
    })
    .await
}
