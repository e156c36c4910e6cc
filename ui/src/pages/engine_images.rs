//! Versions of the engine that volumes run.

use leptos::prelude::*;

use super::titled;
use crate::api;
use crate::components::causes::WhyList;
use crate::components::dialog::Tone;
use crate::components::facts::{FactList, fact};
use crate::components::menu::Entry;
use crate::components::page::PageHead;
use crate::components::table::{Column, DataTable, Kind, Value};
use crate::dialogs::Questions;
use crate::live::{Thing, follow};
use crate::panels::ops::acts::{Plan, danger, entry};
use crate::panels::ops::sheet::Sheet;
use crate::role::may_write;
use crate::words::{Mark, fill, tr};

#[component]
pub(crate) fn EngineImagesPage() -> impl IntoView {
    titled(|| tr("Engine images").to_owned());
    let images = follow("engineimages");
    let menu = Callback::new(|image: Thing| entries(&image));
    view! {
        <PageHead title=tr("Engine images") />
        <p class="dim">{tr("The installed version is there by itself. An earlier one stays until nothing runs it any more; another one comes with another installation.")}</p>
        <DataTable
            id="engine-images"
            caption="Engine images"
            rows=Signal::derive(move || images.all())
            state=Signal::derive(move || images.state())
            columns=columns()
            menu=menu
            retry=Callback::new(move |()| images.refresh())
            empty=|| view! { <p class="calm dim">{tr("No engine image is there yet. The installed one appears as soon as a node answers.")}</p> }
        />
    }
}

fn state(image: &Thing) -> (Mark, &'static str) {
    match (image.text("state"), image.flag("incompatible")) {
        (_, true) => (Mark::Faulted, tr("Incompatible")),
        ("deployed", _) => (Mark::Healthy, tr("Deployed")),
        _ => (Mark::Progress, tr("Deploying")),
    }
}

fn entries(image: &Thing) -> Vec<Entry> {
    let shown = image.clone();
    let mut entries = vec![entry(tr("Details…"), None, move || {
        let image = shown.clone();
        Questions::expect().open(Callback::new(move |()| view! { <Details image=image.clone() /> }.into_any()));
    })];
    if may_write() {
        let users = image.number("refCount").unwrap_or_default();
        let refusal = match (image.flag("default"), users > 0.0) {
            (true, _) => Some(tr("New volumes get it").to_owned()),
            (false, true) => Some(fill("{} things use it", &[&users])),
            (false, false) => None,
        };
        let id = image.id().to_owned();
        entries.push(danger(tr("Delete…"), refusal, move || ask_deletion(&id)));
    }
    entries
}

fn ask_deletion(id: &str) {
    let id = id.to_owned();
    let plan = Plan {
        title: fill("Delete {}?", &[&id]),
        answer: "Delete",
        tone: Tone::Danger,
        consequences: None,
        lines: vec![tr("Nothing runs it. Volumes can't go back to it afterwards.").to_owned()],
        typed: None,
        done: fill("{} is being deleted.", &[&id]),
    };
    plan.ask(move || {
        let address = api::address_of("engineimages", &id);
        async move { api::remove(&address).await }
    });
}

#[component]
fn Details(image: Thing) -> impl IntoView {
    let text = |path: &str| {
        let text = image.text(path).to_owned();
        fact(move || text.clone())
    };
    let range = |most: &str, least: &str| {
        let text = format!("{} – {}", image.number(least).unwrap_or_default(), image.number(most).unwrap_or_default());
        fact(move || text.clone())
    };
    let nodes = image.map("nodeDeploymentMap").into_iter().map(|(node, on)| {
        let on = on.json().as_bool().unwrap_or_default();
        let word = if on { tr("Deployed") } else { tr("Not there") };
        (node, word)
    });
    let facts = vec![
        ("Image", text("image")),
        ("Version", text("version")),
        ("Commit", text("gitCommit")),
        ("Built", text("buildDate")),
        ("CLI API", range("cliAPIVersion", "cliAPIMinVersion")),
        ("Controller API", range("controllerAPIVersion", "controllerAPIMinVersion")),
        ("Data format", range("dataFormatVersion", "dataFormatMinVersion")),
    ];
    view! {
        <Sheet title=image.id().to_owned() on_close=Callback::new(|()| Questions::expect().close())>
            <WhyList causes=image.causes() />
            <FactList facts />
            <h3>{tr("Nodes")}</h3>
            <dl class="kv">{nodes.map(|(node, word)| view! { <dt>{node}</dt><dd>{word}</dd> }).collect_view()}</dl>
        </Sheet>
    }
}

fn columns() -> Vec<Column> {
    let plain = |key, label, kind, value| Column { key, label, kind, hidden: false, value, view: None };
    vec![
        plain("image", "Image", Kind::Text, |image| Value::text(image.text("image"))),
        plain("state", "State", Kind::State, |image| {
            let (mark, word) = state(image);
            Value::State(mark, word.to_owned())
        }),
        plain("default", "Default", Kind::Text, |image| {
            Value::text(if image.flag("default") { tr("Default") } else { "" })
        }),
        plain("users", "Used by", Kind::Number, |image| image.number("refCount").map_or(Value::None, Value::Number)),
        plain("version", "Version", Kind::Text, |image| Value::text(image.text("version"))),
        plain("built", "Built", Kind::Text, |image| Value::text(image.text("buildDate"))),
        plain("nodes", "Nodes", Kind::Text, |image| {
            let nodes = image.map("nodeDeploymentMap");
            let on = nodes.iter().filter(|(_, on)| on.json().as_bool() == Some(true)).count();
            Value::Text(fill("{} of {}", &[&on, &nodes.len()]))
        }),
        Column { hidden: true, ..plain("name", "Name", Kind::Text, |image| Value::text(image.id())) },
    ]
}
