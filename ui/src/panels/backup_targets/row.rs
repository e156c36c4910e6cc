//! The list of targets: columns and menus.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;

use super::fields::seconds;
use super::form::ask_edit;
use super::trial::ask_test;
use crate::api;
use crate::components::dialog::Tone;
use crate::components::menu::Entry;
use crate::components::table::{Column, Kind, Value};
use crate::dialogs::{Confirm, Sending, ask_confirm};
use crate::live::Thing;
use crate::notices::Notices;
use crate::panels::backups::{dangerous, entry, text, time};
use crate::role;
use crate::words::{self, Mark, fill, tr};

/// The one that is always there.
const DEFAULT: &str = "default";

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
            key: "url",
            label: "Address",
            kind: Kind::Long,
            hidden: false,
            value: |row| text(row, "backupTargetURL"),
            view: Some(address_view),
        },
        Column {
            key: "credentials",
            label: "Credentials",
            kind: Kind::Text,
            hidden: false,
            value: credentials,
            view: None,
        },
        Column { key: "poll", label: "Read every", kind: Kind::Text, hidden: false, value: poll, view: None },
        Column {
            key: "read",
            label: "Last read",
            kind: Kind::Time,
            hidden: false,
            value: |row| time(row, "lastSyncedAt"),
            view: None,
        },
        Column {
            key: "secret",
            label: "Credential secret",
            kind: Kind::Text,
            hidden: true,
            value: |row| Value::text(row.text("credentialSecret")),
            view: None,
        },
    ]
}

fn name(row: &Thing) -> AnyView {
    view! { <strong>{row.text("name").to_owned()}</strong> }.into_any()
}

fn state(row: &Thing) -> Value {
    let (mark, words) = match (row.text("backupTargetURL"), row.flag("available")) {
        ("", _) => (Mark::Idle, tr("No address")),
        (_, true) => (Mark::Healthy, tr("Available")),
        (_, false) if row.text("message").is_empty() && row.causes().is_empty() => (Mark::Progress, tr("Not read yet")),
        _ => (Mark::Faulted, tr("Unavailable")),
    };
    Value::State(mark, words.to_owned())
}

fn address_view(row: &Thing) -> AnyView {
    let url = row.text("backupTargetURL").to_owned();
    if url.is_empty() {
        return "–".into_any();
    }
    view! { <span class="mono path" title=url.clone()>{url.clone()}</span> }.into_any()
}

/// Their names, or where they are kept while nobody has read them yet.
fn credentials(row: &Thing) -> Value {
    match row.texts("credentialKeys").as_slice() {
        [] => text(row, "credentialSecret"),
        keys => Value::text(keys.join(", ")),
    }
}

fn poll(row: &Thing) -> Value {
    match u64::try_from(seconds(row.text("pollInterval"))) {
        Ok(0) | Err(_) => Value::text(tr("On request")),
        Ok(seconds) => Value::text(words::span(seconds)),
    }
}

pub(crate) fn entries(target: &Thing) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    let empty = target.text("backupTargetURL").is_empty();
    let no_address = empty.then(|| tr("It has no address"));
    let fixed = (target.text("name") == DEFAULT).then(|| tr("The default target stays; take its address away instead"));
    let of = |act: fn(&Thing)| {
        let target = target.clone();
        move || act(&target)
    };
    vec![
        entry(tr("Edit…"), None, of(ask_edit)),
        entry(tr("Test…"), no_address, of(ask_test)),
        entry(tr("Read now"), no_address, of(|target| sync(vec![target.clone()]))),
        dangerous(entry(tr("Delete…"), fixed, of(|target| ask_delete(vec![target.clone()])))),
    ]
}

pub(crate) fn bulk(targets: Vec<Thing>) -> Vec<Entry> {
    if !role::may_write() {
        return Vec::new();
    }
    let fixed = targets.iter().any(|target| target.text("name") == DEFAULT).then(|| tr("The default target stays"));
    let read = targets.clone();
    vec![
        entry(tr("Read now"), None, move || sync(read.clone())),
        dangerous(entry(tr("Delete…"), fixed, move || ask_delete(targets.clone()))),
    ]
}

fn sync(targets: Vec<Thing>) {
    spawn_local(async move {
        for target in targets {
            let address = format!("{}?action=backupTargetSync", api::address_of("backuptargets", target.id()));
            match api::post(&address, &json!({"syncBackupTarget": true})).await {
                Ok(_) => Notices::expect().done(fill("Reading {}.", &[&target.text("name")])),
                Err(error) => Notices::expect().failed(error),
            }
        }
    });
}

fn ask_delete(targets: Vec<Thing>) {
    let names: Vec<String> = targets.iter().map(|target| target.text("name").to_owned()).collect();
    let lines = vec![
        tr("The backups in the target stay, untouched. They are shown again when a target with the same address is made.").to_owned(),
        tr("Its credentials are forgotten. Volumes that go to it need another target.").to_owned(),
    ];
    ask_confirm(Confirm {
        title: fill("Delete {}", &[&words::names(&names, 3)]),
        answer: "Delete target",
        tone: Tone::Danger,
        consequences: None,
        lines,
        typed: None,
        submit: Callback::new(move |()| {
            let targets = targets.clone();
            Box::pin(async move {
                for target in &targets {
                    api::remove(&api::address_of("backuptargets", target.id())).await?;
                }
                Ok(tr("The backup target is gone; its backups are untouched.").to_owned())
            }) as Sending
        }),
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    #[test]
    fn states() {
        let mark = |json: Json| match state(&json.into()) {
            Value::State(mark, _) => mark,
            other => panic!("{other:?}"),
        };
        assert_eq!(mark(json!({"backupTargetURL": ""})), Mark::Idle);
        assert_eq!(mark(json!({"backupTargetURL": "vfs:///x", "available": true})), Mark::Healthy);
        assert_eq!(mark(json!({"backupTargetURL": "vfs:///x", "available": false})), Mark::Progress);
        assert_eq!(mark(json!({"backupTargetURL": "vfs:///x", "available": false, "message": "no"})), Mark::Faulted);
    }
}
