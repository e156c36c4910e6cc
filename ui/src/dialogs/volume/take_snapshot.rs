//! Take a snapshot.

use aurochs_api::ids::check_snapshot_name;
use leptos::prelude::*;

use super::batch::Batch;
use super::fields::said;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, ask_form};
use crate::words::{fill, tr};

pub(super) fn ask(names: Vec<String>) {
    let Some(volume) = names.first().cloned() else { return };
    let batch = Batch::new(names);
    ask_form(FormQuestion {
        title: fill("Take a snapshot of {}", &[&volume]),
        answer: "Take snapshot",
        tone: Tone::Plain,
        intro: Some(ViewFn::from(|| {
            view! { <p class="dim">{tr("It keeps the volume as it is at this moment, on all replicas. Writing goes on.")}</p> }
        })),
        fields: vec![
            Field::text("name", "Name").hint("Optional; without one a unique name is made").check(check_name),
            Field::labels("labels", "Labels").advanced(),
        ],
        preview: None,
        submit: Callback::new(move |values: Values| {
            let name = values.text("name").trim().to_owned();
            let notice =
                if name.is_empty() { tr("Snapshot taken.").to_owned() } else { fill("Snapshot {} taken.", &[&name]) };
            let body = said(values.json().as_object().cloned().unwrap_or_default());
            batch.act("snapshotCreate", body.into(), notice)
        }),
    });
}

fn check_name(name: &str, _: &Values) -> Result<(), String> {
    if name.is_empty() {
        return Ok(());
    }
    check_snapshot_name(name).map_err(|error| error.to_string())
}
