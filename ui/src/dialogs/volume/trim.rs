//! Give back what the file system does not use.

use leptos::prelude::*;
use serde_json::json;

use super::batch::{Batch, subject};
use crate::components::dialog::Tone;
use crate::dialogs::{Confirm, ask_confirm};
use crate::words::{fill, tr};

pub(super) fn ask(names: Vec<String>) {
    let what = subject(&names);
    let batch = Batch::new(names);
    ask_confirm(Confirm {
        title: fill("Trim the file system of {}", &[&what]),
        answer: "Trim",
        tone: Tone::Plain,
        consequences: None,
        lines: vec![
            tr("Blocks that the file system does not use any more go back to the disks. It has to be mounted.")
                .to_owned(),
            tr("What snapshots hold stays, unless “A trim removes snapshots” is on.").to_owned(),
        ],
        typed: None,
        submit: Callback::new(move |()| {
            batch.act("trimFilesystem", json!({}), fill("The file system of {} was trimmed.", &[&what]))
        }),
    });
}
