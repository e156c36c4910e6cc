//! Make volumes larger.

use aurochs_api::size::ByteSize;
use leptos::prelude::*;
use serde_json::json;

use super::batch::{Batch, subject, what_if};
use crate::components::consequences::Consequences;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, ask_form};
use crate::live::Live;
use crate::words::{fill, tr};

/// The size to compare with; of several volumes the largest.
const PRESENT: &str = "present";

pub(super) fn ask(names: Vec<String>) {
    let live = Live::expect();
    let present = names.iter().filter_map(|name| live.volumes.row(name)).map(|row| row.get_untracked().size).max();
    let present = present.unwrap_or_default();
    let what = subject(&names);
    let intro = if names.len() == 1 {
        fill("It has {} now. A volume never gets smaller; this can be taken back until it has begun.", &[&present])
    } else {
        fill("The largest of them has {} now. All get the same size, and volumes never get smaller.", &[&present])
    };
    let (of, batch) = (names.clone(), Batch::new(names));
    ask_form(FormQuestion {
        title: fill("Expand {}", &[&what]),
        answer: "Expand",
        tone: Tone::Plain,
        intro: Some(ViewFn::from(move || {
            let intro = intro.clone();
            view! { <p>{intro}</p><p class="dim">{tr("Whoever mounted it grows the file system in it.")}</p> }
        })),
        fields: vec![
            Field::size(PRESENT, "Present size").value(present.bytes().to_string()).fixed(),
            Field::size("size", "New size").required().check(larger),
        ],
        preview: Some(Callback::new(move |values: Signal<Values>| {
            let of = of.clone();
            let address = Signal::derive(move || {
                let size = values.with(|values| values.bytes("size"));
                let address = what_if("expand", &of, &format!("&size={}", size.bytes()));
                address.filter(|_| size > present).unwrap_or_default()
            });
            view! { <Consequences address /> }.into_any()
        })),
        submit: Callback::new(move |values: Values| {
            let size = values.bytes("size");
            let body = json!({ "size": size.bytes().to_string() });
            batch.act("expand", body, fill("{} grows to {}.", &[&what, &size]))
        }),
    });
}

fn larger(_: &str, values: &Values) -> Result<(), String> {
    let (size, present) = (values.bytes("size"), values.bytes(PRESENT));
    if size > ByteSize::ZERO && size <= present {
        return Err(fill("It has {} already.", &[&present]));
    }
    Ok(())
}
