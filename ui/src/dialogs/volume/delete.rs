//! Delete volumes: what is lost and what stays, and the name typed when there is something to lose.

use aurochs_api::volume::Volume;
use leptos::prelude::*;

use super::batch::{Batch, subject, what_if};
use crate::api;
use crate::components::dialog::Tone;
use crate::dialogs::{Confirm, ask_confirm};
use crate::live::Live;
use crate::model::action::may_hold_data;
use crate::model::snapshot_tree::{LayerKind, kind};
use crate::words::{fill, tr};

/// More would be no list that anybody reads.
const LINES_MAXIMUM: usize = 20;

pub(super) fn ask(names: Vec<String>) {
    let live = Live::expect();
    let volumes: Vec<_> =
        names.iter().filter_map(|name| live.volumes.row(name)).map(|row| row.get_untracked()).collect();
    let what = subject(&names);
    let mut lines = vec![tr("All replicas are removed from their disks. This can't be undone.").to_owned()];
    lines.extend(volumes.iter().take(LINES_MAXIMUM).map(|volume| loss(volume)));
    if volumes.len() > LINES_MAXIMUM {
        lines.push(fill("And {} more.", &[&(volumes.len() - LINES_MAXIMUM)]));
    }
    let typed = volumes.iter().any(|volume| may_hold_data(volume)).then(|| what.clone());
    let consequences = what_if("deleteVolume", &names, "");
    let batch = Batch::new(names);
    ask_confirm(Confirm {
        title: fill("Delete {}", &[&what]),
        answer: "Delete for ever",
        tone: Tone::Danger,
        consequences,
        lines,
        typed,
        submit: Callback::new(move |()| {
            batch.each(fill("Deleting {}.", &[&what]), |volume| async move {
                api::remove(&api::address_of("volumes", &volume)).await
            })
        }),
    });
}

/// What goes with one volume, and what stays of it.
fn loss(volume: &Volume) -> String {
    let data = match volume.controllers.first() {
        Some(controller) if controller.actual_size.bytes() == 0 => tr("nothing was written to it").to_owned(),
        Some(controller) => fill("{} of data", &[&controller.actual_size]),
        None => tr("all its data").to_owned(),
    };
    let snapshots = volume.snapshots.iter().filter(|layer| kind(layer) == LayerKind::User).count();
    let snapshots = if snapshots == 0 { String::new() } else { fill(", {} snapshots", &[&snapshots]) };
    let claim = &volume.kubernetes_status;
    let claim = if claim.pvc_name.is_empty() {
        String::new()
    } else {
        fill(" It is claimed by {}/{}.", &[&claim.namespace, &claim.pvc_name])
    };
    let backups = if volume.last_backup.is_empty() {
        String::new()
    } else {
        fill(" Its backups stay in {}.", &[&volume.backup_target_name])
    };
    fill("{} ({}): {}{}.", &[&volume.name, &volume.size, &data, &snapshots]) + &claim + &backups
}
