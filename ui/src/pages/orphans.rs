//! What was left behind: replica data on disks, and processes that no resource names.

use aurochs_api::cause::{Cause, CauseCode};
use leptos::prelude::*;

use super::titled;
use crate::components::badge::Badge;
use crate::components::dialog::Tone;
use crate::components::menu::Entry;
use crate::components::page::{PageHead, Tab, Tabs};
use crate::components::table::{Column, DataTable, Filter, Kind, Value};
use crate::live::{List, Thing, follow};
use crate::panels::ops::acts::{Plan, danger};
use crate::role::may_write;
use crate::words::{self, Mark, fill, orphan_kind, tr};
use crate::{api, clock};

#[component]
pub(crate) fn OrphansPage() -> impl IntoView {
    titled(|| tr("Orphans").to_owned());
    let orphans = follow("orphans");
    let count = move |data: bool| orphans.all().iter().filter(|orphan| is_data(orphan) == data).count();
    view! {
        <PageHead title=tr("Orphans") note=move || view! { <span class="dim">{move || fill("Replica data: {}, instances: {}", &[&count(true), &count(false)])}</span> } />
        <Tabs tabs=vec![
            Tab { key: "data", label: "Replica data", view: (move || view! { <Orphans orphans data=true /> }).into() },
            Tab { key: "instances", label: "Instances", view: (move || view! { <Orphans orphans data=false /> }).into() },
        ] />
    }
}

fn is_data(orphan: &Thing) -> bool {
    matches!(orphan.text("orphanType"), "" | "replica" | "replica-data")
}

#[component]
fn Orphans(orphans: List, data: bool) -> impl IntoView {
    let rows =
        Signal::derive(move || orphans.all().into_iter().filter(|orphan| is_data(orphan) == data).collect::<Vec<_>>());
    let menu = Callback::new(|orphan: Thing| deletion(vec![orphan]));
    let bulk = Callback::new(deletion);
    let empty = move || {
        let text = if data {
            tr("No data was left behind. Replica directories that no volume names appear here, with their disk.")
        } else {
            tr("No process was left behind. Engines and replicas that run though no volume names them appear here.")
        };
        view! { <p class="calm dim">{text}</p> }
    };
    view! {
        <DataTable
            id=if data { "orphans-data" } else { "orphans-instances" }
            caption=if data { "Replica data" } else { "Instances" }
            rows
            state=Signal::derive(move || orphans.state())
            columns=if data { data_columns() } else { instance_columns() }
            filters=filters()
            menu=menu
            bulk=bulk
            retry=Callback::new(move |()| orphans.refresh())
            empty
        />
    }
}

/// Deleting an orphan deletes what it stands for.
fn deletion(orphans: Vec<Thing>) -> Vec<Entry> {
    if !may_write() {
        return Vec::new();
    }
    vec![danger(tr("Delete…"), None, move || {
        let ids: Vec<String> = orphans.iter().map(|orphan| orphan.id().to_owned()).collect();
        let line = |orphan: &Thing| fill("{} on {}", &[&name(orphan), &orphan.text("nodeID")]);
        let one = orphans.len() == 1;
        let mut lines = vec![
            tr("What they stand for is removed for good: data from its disk, a process from its node.").to_owned(),
        ];
        lines.extend(orphans.iter().take(20).map(line));
        if orphans.len() > 20 {
            lines.push(fill("and {} more", &[&(orphans.len() - 20)]));
        }
        // What the manager says against it now; it decides again when it is asked.
        let against = |orphan: &Thing| orphan.causes().into_iter().find(|cause| cause.code == CauseCode::RemovalFailed);
        lines.extend(orphans.iter().filter_map(against).take(5).map(|cause| sentences(&cause)));
        let plan = Plan {
            title: if one {
                fill("Delete {}?", &[&name(&orphans[0])])
            } else {
                fill("Delete {} orphans?", &[&orphans.len()])
            },
            answer: "Delete",
            tone: Tone::Danger,
            consequences: None,
            lines,
            typed: (!one).then(|| orphans.len().to_string()),
            done: if one {
                tr("The orphan is being deleted.").to_owned()
            } else {
                fill("{} orphans are being deleted.", &[&orphans.len()])
            },
        };
        plan.ask(move || {
            let ids = ids.clone();
            async move {
                for id in ids {
                    api::remove(&api::address_of("orphans", &id)).await?;
                }
                Ok(())
            }
        });
    })]
}

fn name(orphan: &Thing) -> String {
    let parameter = if is_data(orphan) { "parameters.DataName" } else { "parameters.InstanceName" };
    match orphan.text(parameter) {
        "" => orphan.id().to_owned(),
        name => name.to_owned(),
    }
}

/// What it is, and what can be done.
fn sentences(cause: &Cause) -> String {
    format!("{} {}", clock::localized(&cause.message), clock::localized(&cause.next_step))
}

fn why(orphan: &Thing) -> AnyView {
    let badge = |cause: Cause| {
        let text = sentences(&cause);
        view! { <span title=text><Badge mark=Signal::stored(Mark::of(&cause)) text=words::cause(cause.code).to_owned() /></span> }
    };
    orphan.causes().into_iter().next_back().map(badge).into_any()
}

fn by(orphans: &[Thing], path: &str) -> Vec<(String, String)> {
    let words: std::collections::BTreeSet<&str> = orphans.iter().map(|orphan| orphan.text(path)).collect();
    words.into_iter().filter(|word| !word.is_empty()).map(|word| (word.to_owned(), word.to_owned())).collect()
}

fn filters() -> Vec<Filter> {
    vec![
        Filter {
            key: "node",
            label: "Node",
            choices: |orphans| by(orphans, "nodeID"),
            matches: |orphan, word| orphan.text("nodeID") == word,
        },
        Filter {
            key: "disk",
            label: "Disk",
            choices: |orphans| by(orphans, "parameters.DiskName"),
            matches: |orphan, word| orphan.text("parameters.DiskName") == word,
        },
    ]
}

const fn plain(key: &'static str, label: &'static str, value: fn(&Thing) -> Value) -> Column {
    Column { key, label, kind: Kind::Text, hidden: false, value, view: None }
}

fn why_column() -> Column {
    Column {
        kind: Kind::Custom,
        view: Some(why),
        ..plain("why", "Why", |orphan| {
            orphan.causes().first().map_or(Value::None, |cause| Value::Text(clock::localized(&cause.message)))
        })
    }
}

fn data_columns() -> Vec<Column> {
    vec![
        plain("directory", "Directory", |orphan| Value::Text(name(orphan))),
        plain("node", "Node", |orphan| Value::text(orphan.text("nodeID"))),
        plain("disk", "Disk", |orphan| Value::text(orphan.text("parameters.DiskName"))),
        Column {
            kind: Kind::Wide,
            ..plain("path", "Path of the disk", |orphan| Value::text(orphan.text("parameters.DiskPath")))
        },
        why_column(),
        Column { hidden: true, ..plain("name", "Name", |orphan| Value::text(orphan.id())) },
    ]
}

fn instance_columns() -> Vec<Column> {
    vec![
        plain("instance", "Instance", |orphan| Value::Text(name(orphan))),
        plain("kind", "Type", |orphan| Value::text(orphan_kind(orphan.text("orphanType")))),
        plain("node", "Node", |orphan| Value::text(orphan.text("nodeID"))),
        plain("manager", "Instance manager", |orphan| Value::text(orphan.text("parameters.InstanceManager"))),
        plain("engine", "Data engine", |orphan| Value::text(orphan.text("dataEngine"))),
        why_column(),
        Column { hidden: true, ..plain("name", "Name", |orphan| Value::text(orphan.id())) },
    ]
}
