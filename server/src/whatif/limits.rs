//! Other limits of the space on disks: which disks take replicas then, and which volumes that wait find room.

use aurochs_api::whatif::{Moment, Question, WhatIf};

use super::picture::Picture;
use super::tally::{Circumstances, Tally, consequences, counted};
use crate::error::{ApiError, ErrorKind};
use crate::resources::{Object, Replica};
use crate::settings::{self, Name};

/// `spaceLimits`
pub(super) fn changed(question: &Question, picture: &Picture) -> Result<WhatIf, ApiError> {
    let mut scene = picture.scene_now();
    let limits = &mut scene.rules.limits;
    if let Some(percent) = question.over_provisioning_percentage {
        check(Name::StorageOverProvisioningPercentage, percent)?;
        limits.over_provisioning_percent = percent;
    }
    if let Some(percent) = question.minimal_available_percentage {
        check(Name::StorageMinimalAvailablePercentage, percent)?;
        limits.minimal_available_percent = percent;
    }
    let mut tally = Tally::new(picture);
    for volume in picture.volumes.values().filter(|volume| !volume.is_deleting()) {
        let waits = |replica: &Object<Replica>| !replica.spec.is_placed() && !replica.is_deleting();
        let lacks =
            volume.status.causes.iter().any(|cause| cause.details.iter().any(|detail| detail.has_bytes.is_some()));
        if !lacks && !picture.replicas_of(volume.name()).any(waits) {
            continue;
        }
        let future = picture.prospect(volume).unfold(&mut scene);
        tally.add(volume, future, Circumstances::new(volume.spec.number_of_replicas, Moment::Now));
    }
    Ok(tally.done(&scene, |answer| {
        let full = answer.disks.iter().filter(|disk| !disk.refuses_after.is_empty()).count();
        let disks = counted(answer.disks.len(), "disk");
        let text =
            format!("{disks} would have other figures, {full} of them take no replica then. Nothing moves away.");
        format!("{text} {}", consequences(answer)).trim().to_owned()
    }))
}

fn check(name: Name, percent: u64) -> Result<(), ApiError> {
    let checked = settings::check(name.word(), &percent.to_string());
    checked.map(drop).map_err(|error| ApiError::new(ErrorKind::Invalid, error, "Give a value that the setting takes."))
}
