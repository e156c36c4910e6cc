//! What runs engines and replicas: one instance manager for each node, and its processes.

use leptos::prelude::*;

use super::titled;
use crate::address;
use crate::components::badge::Badge;
use crate::components::causes::WhyList;
use crate::components::menu::Entry;
use crate::components::page::PageHead;
use crate::components::table::{Column, DataTable, Kind, Value};
use crate::dialogs::Questions;
use crate::live::{Thing, follow};
use crate::panels::ops::acts::entry;
use crate::panels::ops::sheet::Sheet;
use crate::words::{self, fill, process_mark, process_state, tr};

#[component]
pub(crate) fn InstanceManagersPage() -> impl IntoView {
    titled(|| tr("Instance managers").to_owned());
    let managers = follow("instancemanagers");
    let menu = Callback::new(|manager: Thing| entries(&manager));
    view! {
        <PageHead title=tr("Instance managers") />
        <p class="dim">{tr("Each node has one. It starts the processes that serve volumes, watches them, and outlives the manager.")}</p>
        <DataTable
            id="instance-managers"
            caption="Instance managers"
            rows=Signal::derive(move || managers.all())
            state=Signal::derive(move || managers.state())
            columns=columns()
            menu=menu
            retry=Callback::new(move |()| managers.refresh())
            empty=|| view! { <p class="calm dim">{tr("No instance manager has reported yet. Start one on each node.")}</p> }
        />
    }
}

fn entries(manager: &Thing) -> Vec<Entry> {
    let id = manager.id().to_owned();
    vec![entry(tr("Show processes…"), None, move || show(id.clone()))]
}

fn show(id: String) {
    Questions::expect().open(Callback::new(move |()| view! { <Processes id=id.clone() /> }.into_any()));
}

/// Follows the instance manager while it is shown.
#[component]
fn Processes(id: String) -> impl IntoView {
    let managers = follow("instancemanagers");
    let title = id.clone();
    let manager = Memo::new(move |_| managers.get(&id));
    view! {
        <Sheet title on_close=Callback::new(|()| Questions::expect().close())>
            {move || manager.get().map(|manager| view! {
                <WhyList causes=manager.causes() />
                <h3>{words::count(manager.map("instanceEngines").len(), "engine")}</h3>
                <List rows=manager.map("instanceEngines") />
                <h3>{words::count(manager.map("instanceReplicas").len(), "replica")}</h3>
                <List rows=manager.map("instanceReplicas") />
            })}
        </Sheet>
    }
}

#[component]
fn List(rows: Vec<(String, Thing)>) -> impl IntoView {
    let line = |(name, process): (String, Thing)| {
        let state = match process.text("status.state") {
            "" => process.text("state"),
            state => state,
        };
        let (mark, word) = (process_mark(state), process_state(state));
        let place = match process.text("status.listen") {
            "" => process.text("address"),
            listen => listen,
        };
        let pid =
            process.number("pid").filter(|pid| *pid > 0.0).map(|pid| fill("process {}", &[&pid])).unwrap_or_default();
        let error = format!("{}{}", process.told("error"), process.told("status.errorMsg"));
        let volume = name.rfind("-e-").or_else(|| name.rfind("-r-")).map(|end| name[..end].to_owned());
        let name = match volume {
            Some(volume) => view! { <a class="link" href=address::volume(&volume) on:click=|_| Questions::expect().close()>{name}</a> }.into_any(),
            None => name.into_any(),
        };
        view! {
            <li>
                <Badge mark=Signal::stored(mark) text=word.to_owned() />
                <span>{name}<span class="xs">{place.to_owned()}" "{pid}" "{error}</span></span>
            </li>
        }
    };
    view! { <ul class="checks processes">{rows.into_iter().map(line).collect_view()}</ul> }
}

fn columns() -> Vec<Column> {
    let plain = |key, label, kind, value| Column { key, label, kind, hidden: false, value, view: None };
    vec![
        Column {
            view: Some(|manager| {
                let id = manager.id().to_owned();
                view! { <button type="button" class="link-button" on:click=move |_| show(id.clone())>{manager.id().to_owned()}</button> }.into_any()
            }),
            ..plain("name", "Name", Kind::Custom, |manager| Value::text(manager.id()))
        },
        plain("state", "State", Kind::State, |manager| {
            let state = manager.text("currentState");
            Value::State(process_mark(state), process_state(state).to_owned())
        }),
        Column {
            view: Some(|manager| {
                let node = manager.text("nodeID").to_owned();
                view! { <a class="link" href=format!("nodes/{node}")>{node.clone()}</a> }.into_any()
            }),
            ..plain("node", "Node", Kind::Custom, |manager| Value::text(manager.text("nodeID")))
        },
        plain("engines", "Engines", Kind::Number, |manager| number(manager.map("instanceEngines").len())),
        plain("replicas", "Replicas", Kind::Number, |manager| number(manager.map("instanceReplicas").len())),
        plain("type", "Type", Kind::Text, |manager| Value::text(manager.text("managerType"))),
        plain("engine", "Data engine", Kind::Text, |manager| Value::text(manager.text("dataEngine"))),
        Column { hidden: true, ..plain("image", "Image", Kind::Text, |manager| Value::text(manager.text("image"))) },
    ]
}

#[expect(clippy::cast_precision_loss, reason = "processes of one machine")]
fn number(count: usize) -> Value {
    Value::Number(count as f64)
}
