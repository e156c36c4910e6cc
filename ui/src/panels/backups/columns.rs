//! What the list of backup volumes shows: a line for each volume that has backups in a target.

use std::collections::BTreeSet;

use leptos::prelude::*;

use super::origin::own_labels;
use super::{Origin, page_of};
use crate::components::badge::Badge;
use crate::components::table::{Column, Filter, Kind, Value};
use crate::live::Thing;
use crate::words::{self, Mark, tr};

pub(crate) fn columns() -> Vec<Column> {
    vec![
        Column {
            key: "name",
            label: "Name",
            kind: Kind::Text,
            hidden: false,
            value: |row| text(row, "volumeName"),
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
            key: "data",
            label: "Stored",
            kind: Kind::Bytes,
            hidden: false,
            value: |row| bytes(row, "dataStored"),
            view: None,
        },
        Column {
            key: "target",
            label: "Backup target",
            kind: Kind::Text,
            hidden: false,
            value: |row| text(row, "backupTargetName"),
            view: None,
        },
        Column {
            key: "last",
            label: "Last backup",
            kind: Kind::Time,
            hidden: false,
            value: |row| time(row, "lastBackupAt"),
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
            key: "pvc",
            label: "PV / PVC",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::text(Origin::of(row).names()),
            view: None,
        },
        Column {
            key: "namespace",
            label: "Namespace",
            kind: Kind::Text,
            hidden: true,
            value: |row| Value::text(Origin::of(row).namespace),
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
            key: "labels",
            label: "Labels",
            kind: Kind::Text,
            hidden: true,
            value: labels,
            view: Some(label_tags),
        },
        Column {
            key: "image",
            label: "Backing image",
            kind: Kind::Text,
            hidden: true,
            value: |row| text(row, "backingImageName"),
            view: None,
        },
        Column {
            key: "class",
            label: "Storage class",
            kind: Kind::Text,
            hidden: true,
            value: |row| text(row, "storageClassName"),
            view: None,
        },
    ]
}

pub(crate) fn filters() -> Vec<Filter> {
    vec![
        Filter {
            key: "target",
            label: "Backup target",
            choices: |rows| choices(rows, |row| vec![row.text("backupTargetName").to_owned()]),
            matches: |row, target| row.text("backupTargetName") == target,
        },
        Filter {
            key: "pvc",
            label: "PVC",
            choices: |rows| choices(rows, |row| vec![Origin::of(row).claim]),
            matches: |row, claim| Origin::of(row).claim == claim,
        },
        Filter {
            key: "namespace",
            label: "Namespace",
            choices: |rows| choices(rows, |row| vec![Origin::of(row).namespace]),
            matches: |row, namespace| Origin::of(row).namespace == namespace,
        },
        Filter {
            key: "label",
            label: "Label",
            choices: |rows| choices(rows, pairs),
            matches: |row, pair| pairs(row).iter().any(|own| own == pair),
        },
    ]
}

/// What occurs in the rows, each once, in order.
fn choices(rows: &[Thing], of: fn(&Thing) -> Vec<String>) -> Vec<(String, String)> {
    let found: BTreeSet<String> = rows.iter().flat_map(of).filter(|text| !text.is_empty()).collect();
    found.into_iter().map(|text| (text.clone(), text)).collect()
}

/// Empty texts are nothing, and are shown as nothing.
pub(crate) fn text(row: &Thing, path: &str) -> Value {
    Some(row.text(path)).filter(|text| !text.is_empty()).map_or(Value::None, Value::text)
}

pub(super) fn bytes(row: &Thing, path: &str) -> Value {
    let known = row.number(path).is_some();
    if known { Value::Bytes(row.bytes(path).bytes()) } else { Value::None }
}

pub(crate) fn time(row: &Thing, path: &str) -> Value {
    Some(row.text(path)).filter(|text| !text.is_empty()).map_or(Value::None, |text| Value::Time(text.to_owned()))
}

pub(super) fn pairs(row: &Thing) -> Vec<String> {
    own_labels(row).into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}

pub(super) fn labels(row: &Thing) -> Value {
    Some(pairs(row).join(" ")).filter(|text| !text.is_empty()).map_or(Value::None, Value::Text)
}

pub(super) fn label_tags(row: &Thing) -> AnyView {
    pairs(row).into_iter().map(|pair| view! { <span class="tag">{pair}</span> }).collect_view().into_any()
}

pub(super) fn workloads(row: &Thing) -> Value {
    Some(Origin::of(row).workloads.join(", ")).filter(|text| !text.is_empty()).map_or(Value::None, Value::Text)
}

/// The first cause, or that all of it can be read.
fn state(row: &Thing) -> Value {
    match row.causes().first() {
        Some(cause) => Value::State(Mark::of(cause), words::cause(cause.code).to_owned()),
        None if row.text("lastBackupName").is_empty() => Value::State(Mark::Idle, tr("No backup yet").to_owned()),
        None => Value::State(Mark::Healthy, tr("Readable").to_owned()),
    }
}

fn name(row: &Thing) -> AnyView {
    let (href, name) = (page_of(row), row.text("volumeName").to_owned());
    view! { <a href=href><strong>{name}</strong></a> }.into_any()
}

/// State of a backup volume at the head of its page.
#[component]
pub(crate) fn VolumeState(volume: Signal<Option<Thing>>) -> impl IntoView {
    move || {
        let Value::State(mark, words) = volume.get().as_ref().map_or(Value::None, state) else { return None };
        Some(view! { <Badge mark=Signal::stored(mark) text=words /> })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_offer_what_occurs() {
        let row =
            |target: &str, label: &str| Thing::from(json!({"backupTargetName": target, "labels": {"team": label}}));
        let rows = [row("b", "x"), row("a", "x"), row("a", "y")];
        let found = filters();
        let words = |key: &str| {
            let filter = found.iter().find(|filter| filter.key == key).unwrap();
            (filter.choices)(&rows).into_iter().map(|(word, _)| word).collect::<Vec<_>>()
        };
        assert_eq!(
            (words("target"), words("label")),
            (vec!["a".into(), "b".into()], vec!["team=x".into(), "team=y".into()])
        );
        assert!(words("pvc").is_empty(), "nothing to choose is no choice");
        let label = found.iter().find(|filter| filter.key == "label").unwrap();
        assert!((label.matches)(&rows[2], "team=y") && !(label.matches)(&rows[2], "team=x"));
    }

    #[test]
    fn sizes_that_nobody_knows_are_none() {
        let row = Thing::from(json!({"size": "", "dataStored": "5", "x": 0}));
        assert_eq!(
            (bytes(&row, "size"), bytes(&row, "dataStored"), bytes(&row, "x")),
            (Value::None, Value::Bytes(5), Value::Bytes(0))
        );
    }
}
