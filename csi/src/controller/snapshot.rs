//! `CreateSnapshot` and `DeleteSnapshot`, of the three kinds that a VolumeSnapshotClass's `type` names.

use std::time::SystemTime;

use aurochs_api::size::VOLUME_SIZE_ALIGNMENT;
use aurochs_api::snapshot::{SnapshotCr, SnapshotCrInput};
use aurochs_api::volume::Volume;
use prost_types::Timestamp;

use super::{backing_image, backup};
use crate::csi::{CreateSnapshotRequest, CreateSnapshotResponse, DeleteSnapshotResponse, Snapshot};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::handle::{Handle, Image};
use crate::parameters;
use crate::size::signed;
use crate::wait::{PATIENCE, Wait};

pub(super) async fn create(
    driver: &Driver,
    request: &CreateSnapshotRequest,
) -> Result<CreateSnapshotResponse, Failure> {
    let (name, volume) = (&request.name, &request.source_volume_id);
    if name.is_empty() {
        return Err(Failure::missing("name"));
    }
    if volume.is_empty() {
        return Err(Failure::missing("source_volume_id"));
    }
    let _turn = driver.controller_turns().take(volume).await?;
    let found = driver.manager().volume(volume).await?;
    let made = match parameters::text(&request.parameters, "type") {
        "snap" => of_installation(driver, request).await?,
        "" | "bak" | "bs" => backup::create(driver, &found, request).await?,
        "bi" => of_image(driver, &found, request).await?,
        other => {
            let message = format_args!("the parameter type can't be {other:?}");
            return Err(Failure::invalid(message, "Give snap, bak or bi, or leave it out."));
        }
    };
    Ok(CreateSnapshotResponse { snapshot: Some(made) })
}

/// `snap`: it stays within the installation.
async fn of_installation(driver: &Driver, request: &CreateSnapshotRequest) -> Result<Snapshot, Failure> {
    let (name, volume) = (&request.name, &request.source_volume_id);
    let taken = take(driver, request).await?;
    let handle = Handle::Snapshot { volume: volume.clone(), snapshot: name.clone() };
    Ok(answer(&handle, volume, signed(taken.restore_size), &taken.creation_time, true))
}

/// The snapshot of this name, new or there already, when it is ready.
pub(super) async fn take(driver: &Driver, request: &CreateSnapshotRequest) -> Result<SnapshotCr, Failure> {
    let (name, volume) = (&request.name, &request.source_volume_id);
    if driver.manager().find_snapshot(volume, name).await?.is_none() {
        let input = SnapshotCrInput { name: name.clone(), labels: parameters::labels(&request.parameters) };
        if let Err(failure) = driver.manager().create_snapshot(volume, &input).await {
            why_not(driver, request, failure).await?;
        }
    }
    let mut wait = Wait::new(PATIENCE);
    loop {
        let found = driver.manager().find_snapshot(volume, name).await?;
        let found =
            found.ok_or_else(|| Failure::busy(format_args!("snapshot {name} of volume {volume} was deleted")))?;
        if found.ready_to_use {
            return Ok(found);
        }
        if !found.error.is_empty() {
            let message = format_args!("snapshot {name} of volume {volume} failed: {}", found.error);
            return Err(Failure::internal(message, ""));
        }
        let why = found.causes.first().map_or("", |cause| cause.message.as_str());
        wait.again(&format!("snapshot {name} of volume {volume} was not taken: {why};")).await?;
    }
}

/// A name that is taken: by us a moment ago, which is fine, or by another volume.
async fn why_not(driver: &Driver, request: &CreateSnapshotRequest, failure: Failure) -> Result<(), Failure> {
    let (name, volume) = (&request.name, &request.source_volume_id);
    if !failure.is(Kind::WrongState) {
        return Err(failure);
    }
    if driver.manager().find_snapshot(volume, name).await?.is_some() {
        return Ok(());
    }
    match driver.manager().owner_of_snapshot(name).await? {
        Some(owner) if owner != *volume => {
            let message = format_args!("the snapshot {name} is there, of volume {owner}");
            Err(Failure::new(Kind::Exists, message, "Choose another name."))
        }
        _ => Err(failure),
    }
}

/// `bi`: what the volume holds becomes a backing image.
async fn of_image(driver: &Driver, volume: &Volume, request: &CreateSnapshotRequest) -> Result<Snapshot, Failure> {
    let class = &request.parameters;
    let form = match (parameters::text(class, "exportType"), parameters::text(class, "export-type")) {
        ("", "") => "raw",
        ("", form) | (form, _) => form,
    };
    if !matches!(form, "raw" | "qcow2") {
        let message = format_args!("the parameter exportType can't be {form:?}");
        return Err(Failure::invalid(message, "Give raw or qcow2, or leave it out."));
    }
    let made_of = [("export-type", form), ("volume-name", volume.name.as_str())];
    let image = Image {
        name: request.name.clone(),
        source_type: "export-from-volume".to_owned(),
        checksum: String::new(),
        parameters: made_of.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    };
    match driver.manager().find_backing_image(&image.name).await? {
        Some(found) if found.parameters.get("volume-name") != Some(&volume.name) => {
            let message =
                format_args!("the backing image {} is there, and is not one of volume {}", image.name, volume.name);
            return Err(Failure::new(Kind::Exists, message, "Choose another name."));
        }
        Some(_) => {}
        None => backing_image::make(driver, image.clone(), 0, class, "nodeSelector", "diskSelector").await?,
    }
    let size = signed(volume.size.round_up(VOLUME_SIZE_ALIGNMENT));
    Ok(answer(&Handle::Image(image), &volume.name, size, "", true))
}

/// `made` is RFC 3339, or not known.
pub(super) fn answer(handle: &Handle, volume: &str, size_bytes: i64, made: &str, ready_to_use: bool) -> Snapshot {
    let made = made.parse::<Timestamp>().ok().filter(|at| at.seconds > 0);
    // CSI wants a time. For what does not tell one it is now.
    Snapshot {
        size_bytes,
        snapshot_id: handle.to_string(),
        source_volume_id: volume.to_owned(),
        creation_time: Some(made.unwrap_or_else(|| SystemTime::now().into())),
        ready_to_use,
        ..Snapshot::default()
    }
}

/// What is not there is fine, and so is an id that is none of ours.
pub(super) async fn delete(driver: &Driver, id: &str) -> Result<DeleteSnapshotResponse, Failure> {
    if id.is_empty() {
        return Err(Failure::missing("snapshot_id"));
    }
    match Handle::parse(id) {
        Ok(Handle::Snapshot { volume, snapshot }) => driver.manager().delete_snapshot(&volume, &snapshot).await?,
        Ok(Handle::Backup { volume, backup }) => backup::delete(driver, &volume, &backup).await?,
        Ok(Handle::Image(image)) => driver.manager().delete_backing_image(&image.name).await?,
        Err(failure) => tracing::info!(%failure, "there is nothing to delete"),
    }
    Ok(DeleteSnapshotResponse {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let handle = Handle::Backup { volume: "v".into(), backup: "b".into() };
        let of = |text: &str| answer(&handle, "v", 1, text, false).creation_time.unwrap();
        assert_eq!(of("1970-01-02T00:00:00Z").seconds, 86400);
        assert!(of("").seconds > 1_700_000_000, "now");
    }
}
