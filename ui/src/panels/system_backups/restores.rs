//! System restores: columns, menu, a new one.

use leptos::prelude::*;

use super::backups::{check_name, restore_body};
use super::{ask_delete, error, name, state, state_view};
use crate::api;
use crate::components::dialog::Tone;
use crate::components::facts::FactList;
use crate::components::form::{Field, Values};
use crate::components::menu::Entry;
use crate::components::table::{Column, Kind, Value};
use crate::dialogs::{FormQuestion, Sending, ask_form};
use crate::live::Thing;
use crate::panels::backups::{dangerous, entry, time};
use crate::role;
use crate::words::{fill, label, tr};

pub(crate) fn restore_columns() -> Vec<Column> {
    vec![
        Column {
            key: "name",
            label: "Name",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::text(row.text("name")),
            view: Some(name),
        },
        Column { key: "state", label: "State", kind: Kind::State, hidden: false, value: state, view: Some(state_view) },
        Column {
            key: "backup",
            label: "System backup",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::text(row.text("systemBackup")),
            view: None,
        },
        Column {
            key: "created",
            label: "Created",
            kind: Kind::Time,
            hidden: false,
            value: |row| time(row, "createdAt"),
            view: None,
        },
        Column { key: "error", label: "Error", kind: Kind::Long, hidden: false, value: error, view: None },
    ]
}

/// What the backup has comes back; the name is that of the restore.
pub(super) fn ask_restore(backup: &Thing) {
    let (shown, kept) = (backup.clone(), backup.clone());
    ask_form(FormQuestion {
        title: fill("Restore the system from {}", &[&backup.text("name")]),
        answer: "Restore the system",
        tone: Tone::Danger,
        intro: Some(ViewFn::from(move || {
            let text = |path: &str| shown.text(path).to_owned().into_any();
            let facts = vec![(label("System backup"), text("name")), (label("Version"), text("version"))];
            view! {
                <p class="dim">{tr("Settings, recurring jobs and other objects become what they were. Volumes that are missing are made again, from their latest backups; those that are there stay as they are.")}</p>
                <FactList facts />
            }
        })),
        fields: vec![
            Field::text("name", "Name of the restore")
                .required()
                .value(format!("restore-{}", backup.text("name")))
                .check(check_name),
        ],
        preview: None,
        submit: Callback::new(move |values: Values| {
            let body = restore_body(&values.text("name"), &kept);
            Box::pin(async move {
                api::post("v1/systemrestores", &body).await?;
                Ok(tr("The system is being restored.").to_owned())
            }) as Sending
        }),
    });
}

pub(crate) fn restore_entries(restore: &Thing) -> Vec<Entry> {
    restore_bulk(vec![restore.clone()])
}

pub(crate) fn restore_bulk(restores: Vec<Thing>) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    let words = tr("What it restored stays; only the record of it goes.");
    vec![dangerous(entry(tr("Delete…"), None, move || {
        ask_delete("systemrestores", restores.clone(), vec![words.to_owned()])
    }))]
}
