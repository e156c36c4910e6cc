//! Deleting backups: what is lost, and the name typed where it is all of a volume's.

use aurochs_api::size::ByteSize;
use leptos::prelude::*;
use serde_json::json;

use super::entry::names;
use crate::api::{self, ApiError};
use crate::components::dialog::Tone;
use crate::dialogs::{Confirm, Sending, ask_confirm};
use crate::live::Thing;
use crate::words::{fill, tr};

/// All backups of these volumes.
pub(super) fn ask_delete_all(volumes: Vec<Thing>) {
    let data = |volume: &Thing| volume.bytes("dataStored");
    let lines = volumes.iter().map(|volume| {
        fill("{0} in {1}: {2} of data.", &[&volume.text("volumeName"), &volume.text("backupTargetName"), &data(volume)])
    });
    let warning =
        tr("All their data is removed from the target, for every installation that uses it. This can't be undone.");
    let typed = match volumes.as_slice() {
        [volume] => volume.text("volumeName").to_owned(),
        several => fill("{} volumes", &[&several.len()]),
    };
    ask_confirm(Confirm {
        title: fill("Delete {}", &[&names(&volumes)]),
        answer: "Delete all backups",
        tone: Tone::Danger,
        consequences: None,
        lines: std::iter::once(warning.to_owned()).chain(lines).collect(),
        typed: Some(typed),
        submit: Callback::new(move |()| {
            let volumes = volumes.clone();
            Box::pin(async move { delete_each(volumes).await }) as Sending
        }),
    });
}

async fn delete_each(volumes: Vec<Thing>) -> Result<String, ApiError> {
    for volume in &volumes {
        api::remove(&api::address_of("backupvolumes", volume.id())).await?;
    }
    Ok(fill("Deleting {}.", &[&names(&volumes)]))
}

/// Some backups of one volume. `all` are those that it has.
pub(super) fn ask_delete(volume: &Thing, backups: Vec<Thing>, all: usize) {
    let (address, name) = (api::address_of("backupvolumes", volume.id()), volume.text("volumeName").to_owned());
    let size = |backup: &Thing| backup.bytes("size");
    let mut lines = vec![tr("The others keep what they share with it: only data that no other backup has is removed. This can't be undone.").to_owned()];
    if backups.len() >= all {
        lines = vec![fill(
            "Volume {} has no other backup: nothing of it is left in the target then. This can't be undone.",
            &[&name],
        )];
    }
    lines.extend(backups.iter().map(|backup| {
        fill("{0}: {1}, snapshot {2}", &[&backup.text("name"), &size(backup), &backup.text("snapshotName")])
    }));
    let title = match backups.as_slice() {
        [backup] => fill("Delete backup {}", &[&backup.text("name")]),
        several => fill("Delete {0} backups of {1}", &[&several.len(), &name]),
    };
    let total = ByteSize(backups.iter().map(|backup| size(backup).bytes()).sum());
    ask_confirm(Confirm {
        title,
        answer: "Delete for ever",
        tone: Tone::Danger,
        consequences: None,
        lines,
        typed: (backups.len() >= all && total.bytes() > 0).then_some(name),
        submit: Callback::new(move |()| {
            let (backups, address) = (backups.clone(), address.clone());
            Box::pin(async move {
                for backup in &backups {
                    api::post(&format!("{address}?action=backupDelete"), &json!({"name": backup.id()})).await?;
                }
                Ok(fill("Deleting {} backups.", &[&backups.len()]))
            }) as Sending
        }),
    });
}
