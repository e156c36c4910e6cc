//! Snapshots: of a volume that there is, and of no other one afterwards.

use aurochs_api::ids::check_snapshot_name;

use super::Judge;
use super::asked::Asked;
use super::review::Operation;
use crate::error::{ApiError, ErrorKind};
use crate::resources::{LABEL_VOLUME, Snapshot, Volume};
use crate::routes::volume::snapshot_labels;

/// The volume owns it and is found by it.
pub(super) async fn complete(judge: &Judge, asked: &mut Asked<Snapshot>) -> Result<(), ApiError> {
    if asked.before.is_some() {
        return Ok(());
    }
    let (name, volume) = (asked.object.name().to_owned(), asked.object.spec.volume.clone());
    if volume.is_empty() {
        let message = format_args!("snapshot {name} is of no volume");
        return Err(ApiError::new(ErrorKind::Invalid, message, "Give spec.volume."));
    }
    let volume = judge.store.find::<Volume>(&volume).await?.ok_or_else(|| {
        let message = format_args!("snapshot {name} is of the volume {volume}, which is not there");
        ApiError::new(ErrorKind::Invalid, message, "kubectl get lhv lists the volumes.")
    })?;
    asked.object = asked.object.clone().owned_by_volume(&volume);
    Ok(())
}

pub(super) fn check(asked: &Asked<Snapshot>) -> Result<(), ApiError> {
    let invalid =
        |message: std::fmt::Arguments<'_>, next_step: &str| ApiError::new(ErrorKind::Invalid, message, next_step);
    let snapshot = &asked.object;
    match (asked.operation, &asked.before) {
        (Operation::Create, _) => {
            check_snapshot_name(snapshot.name())
                .map_err(|error| ApiError::new(ErrorKind::Invalid, error, "Choose another name."))?;
            snapshot_labels::check(&snapshot.spec.labels)
        }
        (Operation::Update, Some(before)) if !asked.is_going() => {
            if before.spec.volume != snapshot.spec.volume {
                let message = format_args!("the volume of snapshot {} can't be changed", snapshot.name());
                return Err(invalid(message, "Leave it as it is; make another snapshot of the other volume."));
            }
            let label = before.metadata.labels.get(LABEL_VOLUME);
            if label.is_some() && label != snapshot.metadata.labels.get(LABEL_VOLUME) {
                let message = format_args!("the label {LABEL_VOLUME} of snapshot {} can't be changed", snapshot.name());
                return Err(invalid(message, "Leave it as it is: the snapshot is found by it."));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
