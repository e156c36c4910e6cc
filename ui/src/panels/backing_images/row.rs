//! The list of backing images: columns and menus.

use std::collections::BTreeSet;

use leptos::prelude::*;
use serde_json::json;

use super::copies::{ask_copies, show_copies, state_of_copy};
use super::upload::ask_upload;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::components::menu::Entry;
use crate::components::table::{Column, Filter, Kind, Value};
use crate::dialogs::{Confirm, FormQuestion, Sending, ask_confirm, ask_form};
use crate::live::Thing;
use crate::panels::backups::{dangerous, entry};
use crate::panels::files::download;
use crate::words::{self, Mark, fill, tr};
use crate::{api, role};

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
        Column { key: "state", label: "State", kind: Kind::State, hidden: false, value: state, view: None },
        Column {
            key: "size",
            label: "Size",
            kind: Kind::Bytes,
            hidden: false,
            value: |row| bytes(row, "size"),
            view: None,
        },
        Column {
            key: "virtual",
            label: "Virtual size",
            kind: Kind::Bytes,
            hidden: false,
            value: |row| bytes(row, "virtualSize"),
            view: None,
        },
        Column {
            key: "source",
            label: "Created from",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::text(words_of_source(row.text("sourceType"))),
            view: None,
        },
        Column { key: "copies", label: "Copies", kind: Kind::Text, hidden: false, value: copies, view: None },
        Column {
            key: "nodes",
            label: "Node tags",
            kind: Kind::Text,
            hidden: true,
            value: |row| Value::Text(row.texts("nodeSelector").join(", ")),
            view: None,
        },
        Column {
            key: "disks",
            label: "Disk tags",
            kind: Kind::Text,
            hidden: true,
            value: |row| Value::Text(row.texts("diskSelector").join(", ")),
            view: None,
        },
        Column {
            key: "uuid",
            label: "UUID",
            kind: Kind::Text,
            hidden: true,
            value: |row| Value::text(row.text("uuid")),
            view: None,
        },
        Column {
            key: "checksum",
            label: "Checksum (SHA-512)",
            kind: Kind::Text,
            hidden: true,
            value: |row| Value::text(row.text("currentChecksum")),
            view: None,
        },
    ]
}

pub(crate) fn filters() -> Vec<Filter> {
    let choices = |rows: &[Thing]| {
        let sources: BTreeSet<&str> = rows.iter().map(|row| row.text("sourceType")).collect();
        sources.into_iter().map(|source| (source.to_owned(), words_of_source(source).to_owned())).collect()
    };
    let matches = |row: &Thing, source: &str| row.text("sourceType") == source;
    vec![Filter { key: "source", label: "Created from", choices, matches }]
}

fn name(row: &Thing) -> AnyView {
    let image = row.clone();
    let title = row.text("name").to_owned();
    view! { <button type="button" class="link" on:click=move |_| show_copies(&image)><strong>{title}</strong></button> }
        .into_any()
}

fn bytes(row: &Thing, path: &str) -> Value {
    Some(row.bytes(path).bytes()).filter(|bytes| *bytes > 0).map_or(Value::None, Value::Bytes)
}

pub(super) fn words_of_source(source: &str) -> &str {
    match source {
        "download" => tr("Download"),
        "upload" => tr("Upload"),
        "export-from-volume" => tr("Volume"),
        "clone" => tr("Backing image"),
        "restore" => tr("Backup"),
        other => other,
    }
}

/// Keys and states of its copies.
fn states(row: &Thing) -> Vec<String> {
    row.map("diskFileStatusMap").iter().map(|(_, copy)| copy.text("state").to_owned()).collect()
}

pub(super) fn has_ready(row: &Thing) -> bool {
    states(row).iter().any(|state| state == "ready")
}

fn state(row: &Thing) -> Value {
    if !row.text("deletionTimestamp").is_empty() {
        return Value::State(Mark::Progress, tr("Deleting").to_owned());
    }
    let states = states(row);
    let (mark, words) = if states.iter().any(|state| state == "ready") {
        let failed = states.iter().any(|state| state.starts_with("failed"));
        if failed { (Mark::Degraded, tr("A copy failed")) } else { (Mark::Healthy, tr("Ready")) }
    } else if let Some(state) = states.iter().find(|state| state.starts_with("failed")).or(states.first()) {
        state_of_copy(state)
    } else {
        (Mark::Progress, tr("Waits for a disk"))
    };
    Value::State(mark, words.to_owned())
}

/// `2 of 3`.
fn copies(row: &Thing) -> Value {
    let ready = states(row).iter().filter(|state| *state == "ready").count();
    let wished = row.number("minNumberOfCopies").unwrap_or_default();
    Value::Text(fill("{0} of {1}", &[&ready, &wished]))
}

pub(crate) fn entries(image: &Thing) -> Vec<Entry> {
    let of = |act: fn(&Thing)| {
        let image = image.clone();
        move || act(&image)
    };
    let shown = entry(tr("Copies…"), None, of(show_copies));
    let missing = (!has_ready(image)).then(|| tr("No copy is ready"));
    if !role::may_write() {
        return vec![shown];
    }
    let waits = image.text("sourceType") == "upload" && states(image).iter().all(|state| state == "pending");
    let mut entries = Vec::new();
    if waits {
        entries.push(entry(tr("Upload…"), None, of(ask_upload)));
    }
    let address = address_of_content(image);
    entries.extend([
        shown,
        entry(tr("Number of copies…"), missing, of(ask_copies)),
        entry(tr("Back up…"), missing, of(|image| ask_back_up(vec![image.clone()]))),
        entry(tr("Download"), missing, move || download(&address)),
        dangerous(entry(tr("Delete…"), None, of(|image| ask_delete(vec![image.clone()])))),
    ]);
    entries
}

pub(crate) fn bulk(images: Vec<Thing>) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    let missing = (!images.iter().all(has_ready)).then(|| tr("Not all have a copy that is ready"));
    let (saved, fetched) = (images.clone(), images.clone());
    vec![
        entry(tr("Back up…"), missing, move || ask_back_up(saved.clone())),
        entry(tr("Download"), missing, move || {
            for image in &fetched {
                download(&address_of_content(image));
            }
        }),
        dangerous(entry(tr("Delete…"), None, move || ask_delete(images.clone()))),
    ]
}

fn address_of_content(image: &Thing) -> String {
    format!("{}/download", api::address_of("backingimages", image.id()))
}

fn names(images: &[Thing]) -> String {
    let names: Vec<String> = images.iter().map(|image| image.text("name").to_owned()).collect();
    words::names(&names, 3)
}

fn ask_back_up(images: Vec<Thing>) {
    let title = fill("Back up {}", &[&names(&images)]);
    ask_form(FormQuestion {
        title,
        answer: "Back up",
        tone: Tone::Plain,
        intro: None,
        fields: vec![Field::text("backupTargetName", "Backup target").required().value("default")],
        preview: None,
        submit: Callback::new(move |values: Values| {
            let images = images.clone();
            Box::pin(async move {
                for image in &images {
                    let address =
                        format!("{}?action=backupBackingImageCreate", api::address_of("backingimages", image.id()));
                    api::post(&address, &json!({"backupTargetName": values.text("backupTargetName")})).await?;
                }
                Ok(fill("Backing up {}.", &[&names(&images)]))
            }) as Sending
        }),
    });
}

fn ask_delete(images: Vec<Thing>) {
    let title = fill("Delete {}", &[&names(&images)]);
    ask_confirm(Confirm {
        title,
        answer: "Delete for ever",
        tone: Tone::Danger,
        consequences: None,
        lines: vec![
            tr("All copies are removed from their disks. Its backups stay. An image that a volume stands on is kept.")
                .to_owned(),
        ],
        typed: None,
        submit: Callback::new(move |()| {
            let images = images.clone();
            Box::pin(async move {
                for image in &images {
                    api::remove(&api::address_of("backingimages", image.id())).await?;
                }
                Ok(fill("Deleting {}.", &[&names(&images)]))
            }) as Sending
        }),
    });
}
