//! Delete a snapshot.

use leptos::prelude::*;
use serde_json::json;

use super::batch::{Batch, what_if};
use crate::components::dialog::Tone;
use crate::dialogs::{Confirm, ask_confirm};
use crate::words::{fill, tr};

/// `running`: the engine is asked; otherwise the wish is stored, and the volume is attached for it.
pub(crate) fn ask(volume: String, snapshot: String, running: bool) {
    let encoded = String::from(js_sys::encode_uri_component(&snapshot));
    let names = vec![volume];
    // A volume that nobody serves has no layers that could be looked at.
    let consequences = what_if("deleteSnapshot", &names, &format!("&snapshot={encoded}")).filter(|_| running);
    let batch = Batch::new(names);
    ask_confirm(Confirm {
        title: fill("Delete the snapshot {}", &[&snapshot]),
        answer: "Delete snapshot",
        tone: Tone::Danger,
        consequences,
        lines: vec![
            tr("You can no longer go back to it. The volume itself and its other snapshots keep all their data.")
                .to_owned(),
        ],
        typed: None,
        submit: Callback::new(move |()| {
            let action = if running { "snapshotDelete" } else { "snapshotCRDelete" };
            batch.act(action, json!({ "name": snapshot }), fill("Snapshot {} deleted.", &[&snapshot]))
        }),
    });
}
