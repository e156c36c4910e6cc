//! The replicas on a node: which volume's, how they are, and taking them away.

use std::sync::Arc;

use aurochs_api::volume::{Volume, VolumeState};
use leptos::prelude::*;
use serde_json::json;

use crate::address;
use crate::api;
use crate::components::dialog::Tone;
use crate::components::menu::Entry;
use crate::components::table::{Column, DataTable, Kind, Value};
use crate::live::{ListState, Live, Thing};
use crate::model::replicas::{ReplicaPhase, ReplicaView, usable};
use crate::panels::ops::acts::{Plan, danger};
use crate::role::may_write;
use crate::words::{self, fill, tr};

/// Replicas on this node, or on all where the name is empty, as rows.
pub(crate) fn rows(volumes: &[Arc<Volume>], disks: impl Fn(&str, &str) -> String, node: &str) -> Vec<Thing> {
    let mut rows = Vec::new();
    for volume in volumes {
        for view in ReplicaView::all(volume) {
            let replica = &view.replica;
            if !node.is_empty() && replica.host_id != node {
                continue;
            }
            let size = volume.size.bytes();
            let (healthy, _) = usable(volume);
            // Of a detached volume those count that wait with their data.
            let counts = match view.phase {
                ReplicaPhase::Healthy => true,
                ReplicaPhase::Stopped | ReplicaPhase::Starting => volume.state != VolumeState::Attached,
                ReplicaPhase::Rebuilding | ReplicaPhase::Failed => false,
            };
            rows.push(Thing::from(json!({
                "id": replica.name, "volume": volume.name, "node": replica.host_id,
                "disk": disks(&replica.host_id, &replica.disk_id), "path": replica.data_path,
                "phase": phase_key(view.phase), "size": size, "last": counts && healthy == 1, "counts": counts, "healthy": healthy,
                "offered": volume_takes(volume),
            })));
        }
    }
    rows
}

/// The manager offers it for volumes that are neither made nor unmade just now.
fn volume_takes(volume: &Volume) -> bool {
    matches!(volume.state, VolumeState::Attached | VolumeState::Detached)
}

const PHASES: [ReplicaPhase; 5] = [
    ReplicaPhase::Healthy,
    ReplicaPhase::Rebuilding,
    ReplicaPhase::Failed,
    ReplicaPhase::Stopped,
    ReplicaPhase::Starting,
];

fn phase_key(phase: ReplicaPhase) -> usize {
    PHASES.iter().position(|other| *other == phase).unwrap_or_default()
}

fn phase(row: &Thing) -> Value {
    let index = row.at("phase").and_then(serde_json::Value::as_u64).and_then(|index| usize::try_from(index).ok());
    let phase = PHASES.get(index.unwrap_or_default()).copied().unwrap_or(ReplicaPhase::Starting);
    Value::State(phase.into(), words::replica_phase(phase).to_owned())
}

/// Name of a disk by its node and UUID.
pub(crate) fn disk_names(live: Live) -> impl Fn(&str, &str) -> String {
    let nodes = live.nodes.all();
    move |node, uuid| {
        let node = nodes.iter().find(|other| other.name == node);
        let disk = node.and_then(|node| node.disks.iter().find(|(_, disk)| disk.disk_uuid == uuid && !uuid.is_empty()));
        disk.map(|(name, _)| name.clone()).unwrap_or_default()
    }
}

/// `node` is empty for the replicas of all nodes.
#[component]
pub(crate) fn ReplicaTable(id: &'static str, #[prop(into)] node: Signal<String>) -> impl IntoView {
    let live = Live::expect();
    let all = Memo::new(move |_| rows(&live.volumes.all(), disk_names(live), &node.get()));
    let state = move || if live.loaded.get() { ListState::Ready } else { ListState::Loading };
    let menu = Callback::new(|row: Thing| deletion(vec![row]));
    let bulk = Callback::new(deletion);
    view! {
        <DataTable
            id=id
            caption="Replicas"
            rows=Signal::derive(move || all.get())
            state=Signal::derive(state)
            columns=columns(node.get_untracked().is_empty())
            menu=menu
            bulk=bulk
            empty=|| view! { <p class="calm dim">{tr("No replica is here. The next volume that has room to gain may get one.")}</p> }
        />
    }
}

/// On the page of one node its name says nothing.
fn columns(of_all_nodes: bool) -> Vec<Column> {
    let plain = |key, label, kind, value| Column { key, label, kind, hidden: false, value, view: None };
    vec![
        plain("name", "Replica", Kind::Text, |row| Value::text(row.id())),
        plain("state", "State", Kind::State, phase),
        Column {
            view: Some(|row| {
                let volume = row.text("volume").to_owned();
                view! { <a class="link" href=address::volume(&volume)>{volume.clone()}</a> }.into_any()
            }),
            ..plain("volume", "Volume", Kind::Custom, |row| Value::text(row.text("volume")))
        },
        Column { hidden: !of_all_nodes, ..plain("node", "Node", Kind::Text, |row| Value::text(row.text("node"))) },
        plain("disk", "Disk", Kind::Text, |row| Value::text(row.text("disk"))),
        plain("size", "Size", Kind::Bytes, |row| Value::Bytes(row.bytes("size").bytes())),
        Column { hidden: true, ..plain("path", "Directory", Kind::Text, |row| Value::text(row.text("path"))) },
    ]
}

fn deletion(rows: Vec<Thing>) -> Vec<Entry> {
    if !may_write() {
        return Vec::new();
    }
    let busy = rows.iter().find(|row| !row.flag("offered"));
    let refusal = busy.map(|row| fill("{} is neither attached nor detached now", &[&row.text("volume")]));
    vec![danger(tr("Delete replica…"), refusal, move || ask(&rows))]
}

/// Says of each volume what is left of it.
fn ask(rows: &[Thing]) {
    let last: Vec<&Thing> = rows.iter().filter(|row| row.flag("last")).collect();
    let line = |row: &Thing| {
        let healthy = row.at("healthy").and_then(serde_json::Value::as_u64).unwrap_or_default();
        let left = if row.flag("counts") { healthy.saturating_sub(1) } else { healthy };
        let left = words::count(usize::try_from(left).unwrap_or_default(), "replica");
        if row.flag("last") {
            fill("{}: this is the only replica with all data. The volume is lost with it.", &[&row.text("volume")])
        } else {
            fill(
                "{}: {} with all data left, and another one is made where there is room.",
                &[&row.text("volume"), &left],
            )
        }
    };
    let one = rows.len() == 1;
    let wanted: Vec<(String, String)> =
        rows.iter().map(|row| (row.text("volume").to_owned(), row.id().to_owned())).collect();
    let plan = Plan {
        title: if one {
            fill("Delete the replica {}?", &[&rows[0].id()])
        } else {
            fill("Delete {} replicas?", &[&rows.len()])
        },
        answer: "Delete",
        tone: Tone::Danger,
        consequences: None,
        lines: rows.iter().take(20).map(line).collect(),
        typed: last.first().map(|row| row.text("volume").to_owned()),
        done: fill("Deleting {}.", &[&words::count(rows.len(), "replica")]),
    };
    plan.ask(move || {
        let wanted = wanted.clone();
        async move {
            for (volume, replica) in wanted {
                let address = format!("{}?action=replicaRemove", api::address_of("volumes", &volume));
                api::post(&address, &json!({"name": replica})).await?;
            }
            Ok(())
        }
    });
}
