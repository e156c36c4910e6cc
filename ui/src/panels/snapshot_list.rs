//! The snapshots of a volume as a table.

use std::sync::Arc;

use aurochs_api::snapshot::Snapshot;
use aurochs_api::volume::Volume;
use leptos::prelude::*;
use serde_json::json;

use super::protection::backups_of;
use super::snapshots::layer_entries;
use crate::components::menu::Entry;
use crate::components::table::{Column, DataTable, Kind, Value};
use crate::live::{ListState, Thing};
use crate::model::snapshot_tree::{LayerKind, kind};
use crate::role::may_write;
use crate::words::{self, tr};

#[component]
pub(super) fn SnapshotList(rows: Signal<Vec<Snapshot>>, volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let (_, backups) = backups_of(volume);
    let things = Signal::derive(move || {
        let backups = backups.things.get();
        let rows = rows.get();
        // What is written now is no snapshot.
        let taken = rows.iter().filter(|row| kind(row) != LayerKind::Head);
        taken.map(|snapshot| thing(snapshot, &backups)).collect::<Vec<_>>()
    });
    let menu = Callback::new(move |chosen: Thing| -> Vec<Entry> {
        let found = rows.get_untracked().into_iter().find(|row| row.name == chosen.id());
        match (found, volume.get_untracked()) {
            (Some(snapshot), Some(volume)) if untrack(may_write) => layer_entries(&snapshot, &volume),
            _ => Vec::new(),
        }
    });
    view! {
        <DataTable
            id="volume-snapshots"
            caption="Snapshots"
            prefix="snap"
            rows=things
            state=Signal::stored(ListState::Ready)
            columns=columns()
            menu
            empty=|| view! { <p class="calm dim">{tr("No snapshot yet.")}</p> }
        />
    }
}

fn thing(snapshot: &Snapshot, backups: &[Thing]) -> Thing {
    let backups = backups.iter().filter(|backup| backup.text("snapshotName") == snapshot.name);
    let backups: Vec<&str> = backups.map(|backup| backup.text("name")).collect();
    let labels = snapshot.labels.clone().unwrap_or_default();
    let labels: Vec<String> = labels.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    json!({
        "id": snapshot.name,
        "kind": match kind(snapshot) {
            LayerKind::User => tr("Snapshot"),
            other => words::layer_kind(other),
        },
        "parent": snapshot.parent,
        "created": snapshot.created,
        "size": snapshot.size.bytes(),
        "labels": labels.join(", "),
        "backups": backups.join(", "),
        "checksum": snapshot.checksum,
    })
    .into()
}

fn columns() -> Vec<Column> {
    let column = |key, label, kind, hidden, value| Column { key, label, kind, hidden, value, view: None };
    vec![
        column("name", "Name", Kind::Text, false, |row| Value::text(row.id())),
        column("kind", "Type", Kind::Text, false, |row| Value::text(row.text("kind"))),
        column("size", "Size", Kind::Bytes, false, |row| Value::Bytes(row.bytes("size").bytes())),
        column("created", "Created", Kind::Time, false, |row| Value::Time(row.text("created").to_owned())),
        column("labels", "Labels", Kind::Text, true, |row| Value::text(row.text("labels"))),
        Column {
            view: Some(|row| {
                let names = row.text("backups").to_owned();
                let number = names.split(", ").filter(|name| !name.is_empty()).count();
                view! { <span title=names>{if number == 0 { "–".to_owned() } else { number.to_string() }}</span> }
                    .into_any()
            }),
            ..column("backups", "Backups", Kind::Number, false, |row| Value::text(row.text("backups")))
        },
        column("parent", "Parent", Kind::Text, true, |row| Value::text(row.text("parent"))),
        column("checksum", "Checksum", Kind::Text, true, |row| Value::text(row.text("checksum"))),
    ]
}
