//! Make a standby volume usable.

use leptos::prelude::*;
use serde_json::json;

use super::batch::{Batch, subject};
use super::fields::frontends;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, ask_form};
use crate::words::{fill, tr};

pub(super) fn ask(names: Vec<String>) {
    let what = subject(&names);
    let batch = Batch::new(names);
    ask_form(FormQuestion {
        title: fill("Activate {}", &[&what]),
        answer: "Activate",
        tone: Tone::Plain,
        intro: Some(ViewFn::from(|| {
            view! { <p>{tr("It gets the newest backup first, then follows it no more: it can't become a standby volume again.")}</p> }
        })),
        fields: vec![Field::select("frontend", "Frontend", frontends())],
        preview: None,
        submit: Callback::new(move |values: Values| {
            let body = json!({ "frontend": values.text("frontend") });
            batch.act("activate", body, fill("{} is being activated.", &[&what]))
        }),
    });
}
