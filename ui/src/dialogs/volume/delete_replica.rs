//! Give up one copy of a volume.

use aurochs_api::volume::Volume;
use leptos::prelude::*;
use serde_json::json;

use super::batch::Batch;
use crate::components::dialog::Tone;
use crate::dialogs::{Confirm, ask_confirm};
use crate::model::replicas::{ReplicaPhase, ReplicaView, usable};
use crate::words::{fill, tr};

pub(crate) fn ask(volume: &Volume, replica: &str) {
    let Some(view) = ReplicaView::all(volume).into_iter().find(|view| view.replica.name == replica) else { return };
    let (whole, wished) = usable(volume);
    let is_whole = matches!(view.phase, ReplicaPhase::Healthy | ReplicaPhase::Stopped);
    let left = whole.saturating_sub(usize::from(is_whole));
    let mut lines = vec![
        fill("Its files on {} are removed.", &[&view.replica.host_id]),
        fill("{} of {} replicas with all data are left.", &[&left, &wished]),
    ];
    lines.push(
        match (left, is_whole) {
            (0, true) => tr("It is the last one with all data, so the manager will refuse."),
            _ if volume.replicas.len() <= wished as usize => {
                tr("The volume is degraded until another one has been made: all its data is copied.")
            }
            _ => tr("The volume has more replicas than it wishes for: no other one is made."),
        }
        .to_owned(),
    );
    let (batch, replica) = (Batch::new(vec![volume.name.clone()]), replica.to_owned());
    ask_confirm(Confirm {
        title: fill("Delete the replica on {}", &[&view.replica.host_id]),
        answer: "Delete replica",
        tone: Tone::Danger,
        consequences: None,
        lines,
        typed: None,
        submit: Callback::new(move |()| {
            batch.act("replicaRemove", json!({ "name": replica }), fill("Replica {} is being deleted.", &[&replica]))
        }),
    });
}
