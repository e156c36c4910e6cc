//! Take back a size that the volume has not got yet.

use aurochs_api::size::ByteSize;
use leptos::prelude::*;
use serde_json::json;

use super::batch::Batch;
use crate::components::dialog::Tone;
use crate::dialogs::{Confirm, ask_confirm};
use crate::live::Live;
use crate::words::{fill, tr};

pub(super) fn ask(names: Vec<String>) {
    let Some(volume) = names.first().and_then(|name| Live::expect().volumes.row(name)) else { return };
    let volume = volume.get_untracked();
    let present = volume.controllers.first().map_or(ByteSize::ZERO, |engine| engine.size);
    let (batch, name) = (Batch::new(names), volume.name.clone());
    ask_confirm(Confirm {
        title: fill("Cancel the expansion of {}", &[&name]),
        answer: "Stop expanding",
        tone: Tone::Plain,
        consequences: None,
        lines: vec![
            fill("It was to grow from {} to {}, and keeps {0}.", &[&present, &volume.size]),
            tr("Its data is not touched.").to_owned(),
        ],
        typed: None,
        submit: Callback::new(move |()| batch.act("cancelExpansion", json!({}), fill("{} keeps its size.", &[&name]))),
    });
}
