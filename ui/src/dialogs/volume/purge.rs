//! Give back what deleted snapshots still take.

use leptos::prelude::*;
use serde_json::json;

use super::batch::Batch;
use crate::components::dialog::Tone;
use crate::dialogs::{Confirm, ask_confirm};
use crate::words::{fill, tr};

pub(crate) fn ask(volume: String) {
    let batch = Batch::new(vec![volume.clone()]);
    ask_confirm(Confirm {
        title: fill("Purge the snapshots of {}", &[&volume]),
        answer: "Purge",
        tone: Tone::Plain,
        consequences: None,
        lines: vec![
            tr("Deleted snapshots, and those that only the system took, are merged into what stands on them, and their space comes back.").to_owned(),
            tr("Reading and writing go on. It happens by itself, too, when a snapshot is deleted.").to_owned(),
        ],
        typed: None,
        submit: Callback::new(move |()| {
            batch.act("snapshotPurge", json!({}), fill("Snapshots of {} are being merged.", &[&volume]))
        }),
    });
}
