//! Backups of backing images.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;

use crate::components::badge::Badge;
use crate::components::dialog::Tone;
use crate::components::menu::Entry;
use crate::components::table::{Column, Kind, Value};
use crate::dialogs::{Confirm, Sending, ask_confirm};
use crate::live::Thing;
use crate::notices::Notices;
use crate::panels::backups::{dangerous, entry, state as state_of, time};
use crate::words::{self, Mark, fill, tr};
use crate::{api, role};

pub(crate) fn backup_columns() -> Vec<Column> {
    vec![
        Column {
            key: "name",
            label: "Name",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::text(image(row)),
            view: Some(name),
        },
        Column { key: "state", label: "State", kind: Kind::State, hidden: false, value: state, view: Some(state_view) },
        Column {
            key: "target",
            label: "Backup target",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::text(row.text("backupTargetName")),
            view: None,
        },
        Column {
            key: "size",
            label: "Size",
            kind: Kind::Bytes,
            hidden: false,
            value: |row| Value::Bytes(row.bytes("size").bytes()),
            view: None,
        },
        Column {
            key: "created",
            label: "Created",
            kind: Kind::Time,
            hidden: false,
            value: |row| time(row, "created"),
            view: None,
        },
        Column {
            key: "url",
            label: "Address",
            kind: Kind::Long,
            hidden: true,
            value: |row| Value::text(row.text("url")),
            view: None,
        },
    ]
}

fn image(row: &Thing) -> &str {
    match row.text("backingImageName") {
        "" => row.text("name"),
        image => image,
    }
}

fn name(row: &Thing) -> AnyView {
    view! { <strong>{image(row).to_owned()}</strong> }.into_any()
}

fn state(row: &Thing) -> Value {
    let (mark, words) = state_of(row);
    Value::State(mark, words.to_owned())
}

fn state_view(row: &Thing) -> AnyView {
    let (mark, words) = state_of(row);
    let percent = row.number("progress").filter(|_| mark == Mark::Progress).map(|percent| format!(" {percent} %"));
    let error = row.told("error");
    view! { <span title=error><Badge mark=Signal::stored(mark) text=words /><span class="xs">{percent}</span></span> }
        .into_any()
}

pub(crate) fn backup_entries(backup: &Thing) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    let refusal = (backup.text("state") != "Completed").then(|| tr("It is not complete"));
    let (restored, deleted) = (backup.clone(), backup.clone());
    vec![
        entry(tr("Restore"), refusal, move || restore(&restored)),
        dangerous(entry(tr("Delete…"), None, move || ask_delete(vec![deleted.clone()]))),
    ]
}

pub(crate) fn backup_bulk(backups: Vec<Thing>) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    vec![dangerous(entry(tr("Delete…"), None, move || ask_delete(backups.clone())))]
}

fn restore(backup: &Thing) {
    let address = format!("{}?action=backupBackingImageRestore", api::address_of("backupbackingimages", backup.id()));
    let name = image(backup).to_owned();
    spawn_local(async move {
        match api::post(&address, &json!({"dataEngine": "v1"})).await {
            Ok(_) => Notices::expect().done(fill("Restoring {}.", &[&name])),
            Err(error) => Notices::expect().failed(error),
        }
    });
}

fn ask_delete(backups: Vec<Thing>) {
    let names: Vec<String> = backups.iter().map(|backup| image(backup).to_owned()).collect();
    let names = words::names(&names, 3);
    ask_confirm(Confirm {
        title: fill("Delete the backups of {}", &[&names]),
        answer: "Delete for ever",
        tone: Tone::Danger,
        consequences: None,
        lines: vec![tr("They are removed from the target; backups of volumes that stand on the image can't be restored without it. This can't be undone.").to_owned()],
        typed: None,
        submit: Callback::new(move |()| {
            let (backups, names) = (backups.clone(), names.clone());
            Box::pin(async move {
                for backup in &backups {
                    api::remove(&api::address_of("backupbackingimages", backup.id())).await?;
                }
                Ok(fill("Deleting {}.", &[&names]))
            }) as Sending
        }),
    });
}
