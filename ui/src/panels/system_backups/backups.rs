//! System backups: columns, menu, a new one.

use leptos::prelude::*;
use serde_json::json;

use super::restores::ask_restore;
use super::{ask_delete, error, name, state, state_view};
use crate::api;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::components::menu::Entry;
use crate::components::table::{Column, Kind, Value};
use crate::dialogs::{FormQuestion, Sending, ask_form};
use crate::live::Thing;
use crate::panels::backups::{dangerous, entry, time};
use crate::role;
use crate::words::{fill, tr};

const NAME_LENGTH_MAXIMUM: usize = 63;

pub(crate) fn backup_columns() -> Vec<Column> {
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
            key: "version",
            label: "Version",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::text(row.text("version")),
            view: None,
        },
        Column {
            key: "policy",
            label: "Volumes",
            kind: Kind::Text,
            hidden: false,
            value: |row| match row.text("volumeBackupPolicy") {
                "if-not-present" | "" => Value::text(tr("Where missing")),
                other => Value::text(policy(other)),
            },
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

fn policy(policy: &str) -> &str {
    match policy {
        "always" => tr("Always"),
        "disabled" => tr("Never"),
        "if-not-present" | "" => tr("Where there is no backup yet"),
        other => other,
    }
}

pub(crate) fn ask_create() {
    let choice = |key: &str| (key.to_owned(), policy(key).to_owned());
    let policies = vec![choice("if-not-present"), choice("always"), choice("disabled")];
    ask_form(FormQuestion {
        title: tr("New system backup").to_owned(),
        answer: "Back up",
        tone: Tone::Plain,
        intro: Some(ViewFn::from(|| {
            view! { <p class="dim">{tr("All volumes, recurring jobs, settings and other objects, as they are now, in one file in the default backup target.")}</p> }
        })),
        fields: vec![
            Field::text("name", "Name").required().check(check_name),
            Field::select("volumeBackupPolicy", "Back up volumes", policies)
                .hint("A restore fills volumes from their latest backups."),
        ],
        preview: None,
        submit: Callback::new(|values: Values| {
            Box::pin(async move {
                let made = api::post("v1/systembackups", &values.json()).await?;
                Ok(fill("System backup {} is being made.", &[&made.text("name")]))
            }) as Sending
        }),
    });
}

pub(super) fn check_name(name: &str, _: &Values) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good = name.len() <= NAME_LENGTH_MAXIMUM
        && name.chars().all(plain)
        && edge(name.chars().next())
        && edge(name.chars().last());
    let wrong = tr("Give lower-case letters, digits, hyphens and dots, with a letter or digit at both ends.");
    if good { Ok(()) } else { Err(wrong.to_owned()) }
}

pub(crate) fn backup_entries(backup: &Thing) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    let refusal = (backup.text("state") != "Ready").then(|| tr("It is not ready"));
    let (restored, deleted) = (backup.clone(), backup.clone());
    vec![
        entry(tr("Restore…"), refusal, move || ask_restore(&restored)),
        dangerous(entry(tr("Delete…"), None, move || delete(vec![deleted.clone()]))),
    ]
}

pub(crate) fn backup_bulk(backups: Vec<Thing>) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    vec![dangerous(entry(tr("Delete…"), None, move || delete(backups.clone())))]
}

fn delete(backups: Vec<Thing>) {
    let lost = tr("The file is removed from the target. Backups of volumes stay. This can't be undone.");
    ask_delete("systembackups", backups, vec![lost.to_owned()]);
}

/// Kept here, so that a restore's body is beside a backup's.
pub(super) fn restore_body(name: &str, backup: &Thing) -> serde_json::Value {
    json!({"name": name, "systemBackup": backup.text("name"), "version": backup.text("version")})
}
