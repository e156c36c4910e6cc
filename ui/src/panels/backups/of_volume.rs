//! The backups of one volume: columns and menus.

use leptos::prelude::*;

use super::columns::{bytes, label_tags, labels, text, time, workloads};
use super::remove::ask_delete;
use super::restore::{ask_restore, ask_standby};
use super::state::{state, state_view};
use super::{Origin, dangerous, entry};
use crate::components::call::Call;
use crate::components::command::Command;
use crate::components::dialog::Dialog;
use crate::components::menu::Entry;
use crate::components::table::{Column, Kind, Value};
use crate::dialogs::Questions;
use crate::live::{Live, Thing};
use crate::panels::files::address_of_backup;
use crate::role;
use crate::words::tr;

pub(crate) fn backup_columns() -> Vec<Column> {
    vec![
        Column {
            key: "id",
            label: "Backup",
            kind: Kind::Text,
            hidden: false,
            value: |row| text(row, "name"),
            view: Some(name),
        },
        Column {
            key: "state",
            label: "State",
            kind: Kind::State,
            hidden: false,
            value: words_of_state,
            view: Some(state_view),
        },
        Column {
            key: "snapshot",
            label: "Snapshot",
            kind: Kind::Text,
            hidden: false,
            value: |row| text(row, "snapshotName"),
            view: None,
        },
        Column {
            key: "taken",
            label: "Taken",
            kind: Kind::Time,
            hidden: false,
            value: |row| time(row, "snapshotCreated"),
            view: None,
        },
        Column {
            key: "size",
            label: "Size",
            kind: Kind::Bytes,
            hidden: false,
            value: |row| bytes(row, "size"),
            view: None,
        },
        Column {
            key: "new",
            label: "Uploaded",
            kind: Kind::Bytes,
            hidden: false,
            value: |row| bytes(row, "newlyUploadDataSize"),
            view: None,
        },
        Column {
            key: "again",
            label: "Re-uploaded",
            kind: Kind::Bytes,
            hidden: true,
            value: |row| bytes(row, "reUploadedDataSize"),
            view: None,
        },
        Column { key: "mode", label: "Mode", kind: Kind::Text, hidden: false, value: mode, view: None },
        Column {
            key: "labels",
            label: "Labels",
            kind: Kind::Text,
            hidden: false,
            value: labels,
            view: Some(label_tags),
        },
        Column {
            key: "block",
            label: "Backup block size",
            kind: Kind::Bytes,
            hidden: true,
            value: |row| bytes(row, "blockSize"),
            view: None,
        },
        Column {
            key: "compression",
            label: "Compression",
            kind: Kind::Text,
            hidden: true,
            value: |row| text(row, "compressionMethod"),
            view: None,
        },
        Column {
            key: "made",
            label: "Created",
            kind: Kind::Time,
            hidden: true,
            value: |row| time(row, "created"),
            view: None,
        },
        Column {
            key: "pvc",
            label: "PV / PVC",
            kind: Kind::Text,
            hidden: true,
            value: |row| Value::text(Origin::of(row).names()),
            view: None,
        },
        Column {
            key: "workload",
            label: "Workload / Pod",
            kind: Kind::Text,
            hidden: true,
            value: workloads,
            view: None,
        },
        Column {
            key: "target",
            label: "Backup target",
            kind: Kind::Text,
            hidden: true,
            value: |row| text(row, "backupTargetName"),
            view: None,
        },
    ]
}

fn name(row: &Thing) -> AnyView {
    view! { <strong class="mono">{row.text("name").to_owned()}</strong> }.into_any()
}

fn words_of_state(row: &Thing) -> Value {
    let (mark, words) = state(row);
    Value::State(mark, words.to_owned())
}

fn mode(row: &Thing) -> Value {
    match row.text("backupMode") {
        "full" => Value::text(tr("Full")),
        "incremental" => Value::text(tr("Incremental")),
        "" => Value::None,
        other => Value::text(other),
    }
}

/// The row menu of one backup; for those who may only look, what only looks. `all` is how many backups there are.
pub(crate) fn backup_entries(live: Live, volume: &Thing, backup: &Thing, all: usize) -> Vec<Entry> {
    let complete = backup.text("state") == "Completed" && !backup.text("url").is_empty();
    let refusal = (!complete).then(|| tr("It is not complete"));
    let address = entry(tr("Show address…"), refusal, {
        let backup = backup.clone();
        move || show_address(&backup)
    });
    if !role::may_write() {
        return vec![address];
    }
    let with = |then: fn(Live, &Thing)| {
        let backup = backup.clone();
        move || then(live, &backup)
    };
    let going = backup.text("state") == "Deleting";
    let files = address_of_backup(volume, backup);
    let (of, gone) = (volume.clone(), backup.clone());
    vec![
        entry(tr("Restore…"), refusal, with(ask_restore)),
        entry(tr("Create standby volume…"), refusal, with(ask_standby)),
        entry(tr("Browse files"), refusal, move || crate::panels::files::go(&files)),
        address,
        dangerous(entry(tr("Delete…"), going.then(|| tr("It is being deleted")), move || {
            ask_delete(&of, vec![gone.clone()], all)
        })),
    ]
}

/// The menu of several backups.
pub(crate) fn several(volume: &Thing, backups: Vec<Thing>, all: usize) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    let volume = volume.clone();
    vec![dangerous(entry(tr("Delete…"), None, move || ask_delete(&volume, backups.clone(), all)))]
}

/// What `fromBackup`, storage classes and commands take.
fn show_address(backup: &Thing) {
    let (title, url) = (tr("Address of the backup"), backup.text("url").to_owned());
    let questions = Questions::expect();
    questions.open(Callback::new(move |()| {
        let url = Signal::stored(url.clone());
        let close = Callback::new(move |()| questions.close());
        view! {
            <Dialog title=title answer=tr("Done") only_tells=true ready=true call=Call::new() on_answer=close on_close=close>
                <Command label=tr("Address") text=url />
                <p class="hint">{tr("Takes the backup along: to the fromBackup of a volume or a storage class, and to aurochs-engine backup.")}</p>
            </Dialog>
        }
        .into_any()
    }));
}
