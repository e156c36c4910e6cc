//! The list of recurring jobs: columns, filters and menus.

use std::collections::BTreeSet;

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;

use super::form::ask_edit;
use super::history::show_history;
use super::tasks::{keeps, words as words_of_task};
use crate::api;
use crate::clock;
use crate::components::badge::Badge;
use crate::components::cron::schedule;
use crate::components::dialog::Tone;
use crate::components::menu::Entry;
use crate::components::table::{Column, Filter, Kind, Value};
use crate::dialogs::{Confirm, Sending, ask_confirm};
use crate::live::Thing;
use crate::model::rhythm::{Rhythm, split_zone};
use crate::model::time;
use crate::notices::Notices;
use crate::panels::backups::{dangerous, entry, time as time_of};
use crate::role;
use crate::words::{self, Mark, fill, tr};

pub(crate) fn columns() -> Vec<Column> {
    vec![
        Column {
            key: "name",
            label: "Name",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::text(row.text("name")),
            view: Some(name),
        },
        Column {
            key: "task",
            label: "Task",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::Text(words_of_task(row.text("task"))),
            view: None,
        },
        Column {
            key: "schedule",
            label: "Schedule",
            kind: Kind::Wide,
            hidden: false,
            value: |row| Value::Text(times(row)),
            view: Some(times_view),
        },
        Column { key: "next", label: "Next run", kind: Kind::Time, hidden: false, value: next, view: Some(next_view) },
        Column { key: "last", label: "Last run", kind: Kind::State, hidden: false, value: last, view: Some(last_view) },
        Column {
            key: "ran",
            label: "Last ran",
            kind: Kind::Time,
            hidden: true,
            value: |row| time_of(row, "lastRun.endedAt"),
            view: None,
        },
        Column { key: "retain", label: "Keeps", kind: Kind::Number, hidden: false, value: retain, view: None },
        Column {
            key: "concurrency",
            label: "At once",
            kind: Kind::Number,
            hidden: true,
            value: |row| row.number("concurrency").map_or(Value::None, Value::Number),
            view: None,
        },
        Column {
            key: "groups",
            label: "Groups",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::Text(row.texts("groups").join(", ")),
            view: None,
        },
        Column {
            key: "labels",
            label: "Labels",
            kind: Kind::Text,
            hidden: true,
            value: |row| Value::Text(pairs(row, "labels").join(" ")),
            view: None,
        },
        Column {
            key: "parameters",
            label: "Parameters",
            kind: Kind::Text,
            hidden: true,
            value: |row| Value::Text(pairs(row, "parameters").join(" ")),
            view: None,
        },
        Column {
            key: "runs",
            label: "Runs",
            kind: Kind::Number,
            hidden: true,
            value: |row| row.number("executionCount").map_or(Value::None, Value::Number),
            view: None,
        },
    ]
}

pub(crate) fn filters() -> Vec<Filter> {
    vec![
        Filter { key: "task", label: "Task", choices: tasks, matches: |row, task| row.text("task") == task },
        Filter {
            key: "group",
            label: "Group",
            choices: |rows| choices(rows, |row| row.texts("groups")),
            matches: |row, group| row.texts("groups").iter().any(|own| own == group),
        },
        Filter {
            key: "label",
            label: "Label",
            choices: |rows| choices(rows, |row| pairs(row, "labels")),
            matches: |row, label| pairs(row, "labels").iter().any(|own| own == label),
        },
    ]
}

fn tasks(rows: &[Thing]) -> Vec<(String, String)> {
    let tasks: BTreeSet<&str> = rows.iter().map(|row| row.text("task")).collect();
    tasks.into_iter().map(|task| (task.to_owned(), words_of_task(task))).collect()
}

fn choices(rows: &[Thing], of: fn(&Thing) -> Vec<String>) -> Vec<(String, String)> {
    let found: BTreeSet<String> = rows.iter().flat_map(of).collect();
    found.into_iter().map(|text| (text.clone(), text)).collect()
}

fn pairs(row: &Thing, path: &str) -> Vec<String> {
    let text = |value: &Thing| value.json().as_str().unwrap_or_default().to_owned();
    row.map(path).iter().map(|(key, value)| format!("{key}={}", text(value))).collect()
}

fn name(row: &Thing) -> AnyView {
    view! { <strong>{row.text("name").to_owned()}</strong> }.into_any()
}

fn times(row: &Thing) -> String {
    let rhythm = Rhythm::read(split_zone(row.text("cron")).1);
    schedule(row.text("schedule"), rhythm)
}

/// With its clock where that is another one than usual, and the cron on hover.
fn times_view(row: &Thing) -> AnyView {
    let zone = Some(row.text("timeZone")).filter(|zone| !zone.is_empty() && *zone != "UTC").map(str::to_owned);
    let cron = row.text("cron").to_owned();
    view! { <span title=cron>{times(row)}" "<span class="xs">{zone}</span></span> }.into_any()
}

fn next(row: &Thing) -> Value {
    let next = row.texts("nextRuns").into_iter().next();
    next.filter(|_| row.at("run").is_none_or(serde_json::Value::is_null)).map_or(Value::None, Value::Time)
}

fn next_view(row: &Thing) -> AnyView {
    if !row.at("run").is_none_or(serde_json::Value::is_null) {
        return view! { <Badge mark=Signal::stored(Mark::Progress) text=tr("Running") /> }.into_any();
    }
    let Some(at) = row.texts("nextRuns").first().and_then(|text| time::parse(text)) else { return ().into_any() };
    let now = clock::ticking();
    let left = move || fill("in {}", &[&words::span(u64::try_from(at - now.get()).unwrap_or(0))]);
    view! { <time title=clock::wall_time(at)>{left}</time> }.into_any()
}

pub(super) fn outcome(outcome: &str) -> (Mark, &'static str) {
    match outcome {
        "succeeded" => (Mark::Healthy, tr("Succeeded")),
        "failed" => (Mark::Faulted, tr("Failed")),
        "cancelled" => (Mark::Idle, tr("Cancelled")),
        "interrupted" => (Mark::Degraded, tr("Interrupted")),
        "" | "running" => (Mark::Progress, tr("Running")),
        _ => (Mark::Idle, tr("Unknown")),
    }
}

fn last(row: &Thing) -> Value {
    if row.text("lastRun.endedAt").is_empty() {
        return Value::None;
    }
    let (mark, words) = outcome(row.text("lastRun.outcome"));
    Value::State(mark, words.to_owned())
}

fn last_view(row: &Thing) -> AnyView {
    let Some(at) = time::parse(row.text("lastRun.endedAt")) else {
        return view! { <span class="dim">"–"</span> }.into_any();
    };
    let (mark, words) = outcome(row.text("lastRun.outcome"));
    let title = format!("{} {}", clock::wall_time(at), row.told("lastRun.message"));
    view! { <span title=title><Badge mark=Signal::stored(mark) text=words /></span> }.into_any()
}

fn retain(row: &Thing) -> Value {
    if keeps(row.text("task")) { row.number("retain").map_or(Value::None, Value::Number) } else { Value::None }
}

pub(crate) fn entries(job: &Thing) -> Vec<Entry> {
    let of = |act: fn(&Thing)| {
        let job = job.clone();
        move || act(&job)
    };
    let history = entry(tr("History…"), None, of(show_history));
    if !role::may_write() {
        return vec![history];
    }
    let busy = (!job.has_action("recurringJobRun")).then(|| tr("It is running"));
    vec![
        entry(tr("Run now"), busy, of(run)),
        history,
        entry(tr("Edit…"), None, of(ask_edit)),
        dangerous(entry(tr("Delete…"), None, of(|job| ask_delete(vec![job.clone()])))),
    ]
}

pub(crate) fn bulk(jobs: Vec<Thing>) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    vec![dangerous(entry(tr("Delete…"), None, move || ask_delete(jobs.clone())))]
}

pub(super) fn run(job: &Thing) {
    let (name, address) = (job.text("name").to_owned(), api::address_of("recurringjobs", job.id()));
    spawn_local(async move {
        match api::post(&format!("{address}?action=recurringJobRun"), &json!({})).await {
            Ok(_) => Notices::expect().done(fill("{} runs now.", &[&name])),
            Err(error) => Notices::expect().failed(error),
        }
    });
}

fn ask_delete(jobs: Vec<Thing>) {
    let names: Vec<String> = jobs.iter().map(|job| job.text("name").to_owned()).collect();
    ask_confirm(Confirm {
        title: fill("Delete {}", &[&words::names(&names, 3)]),
        answer: "Delete job",
        tone: Tone::Danger,
        consequences: None,
        lines: vec![
            tr("What it made stays: its snapshots and backups are kept from now on until somebody deletes them.")
                .to_owned(),
            tr("Volumes lose it, and the groups that no other job has.").to_owned(),
        ],
        typed: None,
        submit: Callback::new(move |()| {
            let jobs = jobs.clone();
            Box::pin(async move {
                for job in &jobs {
                    api::remove(&api::address_of("recurringjobs", job.id())).await?;
                }
                Ok(tr("The recurring job is gone.").to_owned())
            }) as Sending
        }),
    });
}
