//! Backups of the system's configuration, and restores of one.

mod backups;
mod restores;

pub(crate) use backups::{ask_create, backup_bulk, backup_columns, backup_entries};
pub(crate) use restores::{restore_bulk, restore_columns, restore_entries};

use std::collections::BTreeSet;

use leptos::prelude::*;

use crate::components::badge::Badge;
use crate::components::bar::Progress;
use crate::components::dialog::Tone;
use crate::components::table::{Filter, Value};
use crate::dialogs::{Confirm, Sending, ask_confirm};
use crate::live::Thing;
use crate::words::{self, Mark, fill, tr};
use crate::{api, clock};

/// Longhorn's states of both, in words.
fn words_of(state: &str) -> (Mark, &'static str) {
    match state {
        "" => (Mark::Progress, tr("Asked for")),
        "Ready" => (Mark::Healthy, tr("Ready")),
        "Completed" => (Mark::Healthy, tr("Completed")),
        "Error" => (Mark::Faulted, tr("Error")),
        "Generating" => (Mark::Progress, tr("Gathering")),
        "CreatingVolumeBackups" => (Mark::Progress, tr("Backing up volumes")),
        "CreatingBackingImageBackups" => (Mark::Progress, tr("Backing up images")),
        "Uploading" => (Mark::Progress, tr("Uploading")),
        "Syncing" => (Mark::Progress, tr("Reading")),
        "Deleting" => (Mark::Progress, tr("Deleting")),
        "Pending" => (Mark::Progress, tr("Pending")),
        "Downloading" => (Mark::Progress, tr("Downloading")),
        "Unpacking" => (Mark::Progress, tr("Unpacking")),
        "Initializing" => (Mark::Progress, tr("Preparing")),
        "InProgress" => (Mark::Progress, tr("In progress")),
        "Restoring" => (Mark::Progress, tr("Restoring")),
        _ => (Mark::Idle, tr("Unknown")),
    }
}

/// Of both lists.
pub(crate) fn filters() -> Vec<Filter> {
    let choices = |rows: &[Thing]| {
        let states: BTreeSet<&str> = rows.iter().map(|row| row.text("state")).collect();
        states.into_iter().map(|state| (state.to_owned(), words_of(state).1.to_owned())).collect()
    };
    vec![Filter { key: "state", label: "State", choices, matches: |row, state| row.text("state") == state }]
}

fn state(row: &Thing) -> Value {
    let (mark, words) = words_of(row.text("state"));
    Value::State(mark, words.to_owned())
}

/// With how far it is, where bytes are known, and the error on hover.
fn state_view(row: &Thing) -> AnyView {
    let (mark, words) = words_of(row.text("state"));
    let (done, planned) = (row.bytes("doneBytes").bytes(), row.bytes("plannedBytes").bytes());
    let percent = done.saturating_mul(100).checked_div(planned).and_then(|percent| u32::try_from(percent).ok());
    let label = fill("Backup {}", &[&row.text("name")]);
    let progress = percent.filter(|_| mark == Mark::Progress).map(|percent| {
        view! { <Progress percent=Signal::stored(percent) label=label /><span class="xs num">{percent}" %"</span> }
    });
    let error = row.told("error");
    view! { <span class="with-progress" title=error><Badge mark=Signal::stored(mark) text=words />{progress}</span> }
        .into_any()
}

/// The error, or the first cause.
fn error(row: &Thing) -> Value {
    let cause = row.causes().into_iter().next().map(|cause| clock::localized(&cause.message));
    let error = Some(row.told("error")).filter(|error| !error.is_empty()).or(cause);
    error.map_or(Value::None, Value::Text)
}

fn name(row: &Thing) -> AnyView {
    view! { <strong>{row.text("name").to_owned()}</strong> }.into_any()
}

/// Asks once for all of them; `lines` say what is lost.
fn ask_delete(collection: &'static str, things: Vec<Thing>, lines: Vec<String>) {
    let names: Vec<String> = things.iter().map(|thing| thing.text("name").to_owned()).collect();
    let names = words::names(&names, 3);
    ask_confirm(Confirm {
        title: fill("Delete {}", &[&names]),
        answer: "Delete for ever",
        tone: Tone::Danger,
        consequences: None,
        lines,
        typed: None,
        submit: Callback::new(move |()| {
            let (things, names) = (things.clone(), names.clone());
            Box::pin(async move {
                for thing in &things {
                    api::remove(&api::address_of(collection, thing.id())).await?;
                }
                Ok(fill("Deleting {}.", &[&names]))
            }) as Sending
        }),
    });
}
