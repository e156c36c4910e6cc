//! A new target, and a change of one. It can be tried before it is kept.

use leptos::prelude::*;
use serde_json::Value;

use super::fields::{address, body, fields};
use super::trial::Trial;
use crate::api;
use crate::components::dialog::Tone;
use crate::components::form::Values;
use crate::dialogs::{FormQuestion, Sending, ask_form};
use crate::live::Thing;
use crate::words::{fill, tr};

/// The target that tries what is not kept yet: it is always there, and a test changes nothing of it.
const ALWAYS_THERE: &str = "default";

pub(crate) fn ask_create() {
    ask_form(FormQuestion {
        title: tr("New backup target").to_owned(),
        answer: "Create target",
        tone: Tone::Plain,
        intro: None,
        fields: fields(None),
        preview: Some(Callback::new(|values: Signal<Values>| {
            following(values, |values| preview(ALWAYS_THERE, body(values, None), address(values)))
        })),
        submit: Callback::new(|values: Values| {
            Box::pin(async move {
                let made = api::post("v1/backuptargets", &body(&values, None)).await?;
                Ok(fill("Backup target {} is there.", &[&made.text("name")]))
            }) as Sending
        }),
    });
}

pub(crate) fn ask_edit(target: &Thing) {
    let name = target.text("name").to_owned();
    let (tried, kept) = (target.clone(), target.clone());
    ask_form(FormQuestion {
        title: fill("Edit {}", &[&name]),
        answer: "Save",
        tone: Tone::Plain,
        intro: None,
        fields: fields(Some(target)),
        preview: Some(Callback::new(move |values: Signal<Values>| {
            let tried = tried.clone();
            following(values, move |values| preview(tried.text("name"), body(values, Some(&tried)), address(values)))
        })),
        submit: Callback::new(move |values: Values| {
            let target = kept.clone();
            Box::pin(async move {
                let name = target.text("name");
                let address = format!("{}?action=backupTargetUpdate", api::address_of("backuptargets", target.id()));
                api::post(&address, &body(&values, Some(&target))).await?;
                Ok(fill("Backup target {} is changed.", &[&name]))
            }) as Sending
        }),
    });
}

/// What was found by a test is not that of other values: it goes when they change.
fn following(values: Signal<Values>, view: impl Fn(&Values) -> AnyView + Send + 'static) -> AnyView {
    (move || values.with(&view)).into_any()
}

/// The address that comes of the fields, and the test of it.
fn preview(target: &str, body: Value, address: String) -> AnyView {
    let target = target.to_owned();
    if address.is_empty() {
        return view! { <p class="outlook">{tr("Without an address nothing is backed up to it.")}</p> }.into_any();
    }
    view! {
        <div class="outlook stack">
            <code class="mono">{address}</code>
            <Trial target body at_once=false />
        </div>
    }
    .into_any()
}
