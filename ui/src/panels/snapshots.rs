//! The snapshots of a volume, as a tree and as a list, with everything that can be done with one.

use std::sync::Arc;

use aurochs_api::snapshot::Snapshot;
use aurochs_api::volume::{Volume, VolumeState};
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;

use super::asked::{asked, setter};
use super::snapshot_list::SnapshotList;
use crate::components::bar::Progress;
use crate::components::menu::{Entry, Menu};
use crate::components::when::When;
use crate::dialogs;
use crate::hold::Hold;
use crate::live::Thing;
use crate::model::action::{Action, refusal};
use crate::model::snapshot_tree::{LayerKind, Stem, TreeRow, has_system, kind, rows};
use crate::role::may_write;
use crate::words::{self, fill, tr};
use crate::{address, api};

const ROW_PIXELS: usize = 48;
const COLUMN_PIXELS: usize = 16;
const FIRST_PIXELS: usize = 12;

#[component]
pub(crate) fn SnapshotsPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let hold = Hold::expect();
    let system = RwSignal::new(false);
    // Stands in the address, so that a list can be shared and found again.
    let shown_as = asked("snapshots");
    let as_list = move || shown_as.with(|shown| shown == "list");
    let choose = setter();
    let show = move |shown: &str| choose.run(("snapshots", shown.to_owned()));
    let layers = layers(volume);
    let tree = Memo::new(move |before: Option<&Vec<TreeRow>>| match (hold.is_held(), before) {
        // Rows must not move under an open menu.
        (true, Some(before)) => before.clone(),
        _ => layers.with(|layers| rows(layers, system.get())),
    });
    let some_system = Memo::new(move |_| layers.with(|layers| has_system(layers)));
    let rows = Signal::derive(move || tree.get().into_iter().map(|row| row.snapshot).collect::<Vec<_>>());
    let keys = move || tree.with(|tree| tree.iter().map(|row| row.snapshot.name.clone()).collect::<Vec<_>>());
    let layer = move |name: String| {
        let row = Memo::new(move |_| tree.with(|tree| tree.iter().find(|row| row.snapshot.name == name).cloned()));
        view! { <Layer row volume /> }
    };
    view! {
        <section class="card" aria-labelledby="snapshots-title" data-testid="snapshots">
            <div class="head">
                <h2 id="snapshots-title">{tr("Snapshots")}</h2>
                <div class="right">
                    <Show when=move || some_system.get()>
                        <label class="check small">
                            <input type="checkbox" bind:checked=system />
                            <span>{tr("Show system snapshots")}</span>
                        </label>
                    </Show>
                    <div class="segments" role="group" aria-label=tr("How snapshots are shown")>
                        <button type="button" aria-pressed=move || (!as_list()).to_string() on:click=move |_| show("")>{tr("Tree")}</button>
                        <button type="button" aria-pressed=move || as_list().to_string() on:click=move |_| show("list")>{tr("List")}</button>
                    </div>
                    <Buttons volume />
                </div>
            </div>
            <Purging volume />
            <Show when=move || !tree.with(Vec::is_empty) fallback=move || view! { <NoTree volume /> }>
                <Show
                    when=as_list
                    fallback=move || view! {
                        <ol class="tree" aria-label=tr("Snapshot tree, newest first")>
                            <For each=keys key=Clone::clone children=layer />
                        </ol>
                    }
                >
                    <SnapshotList rows volume />
                </Show>
            </Show>
        </section>
    }
}

/// What the engine tells; of a volume that nobody uses, what the manager remembers.
fn layers(volume: Memo<Option<Arc<Volume>>>) -> Signal<Vec<Snapshot>> {
    let remembered = RwSignal::new(Vec::<Snapshot>::new());
    let detached = Memo::new(move |_| {
        let volume = volume.get()?;
        // Whatever changes the volume may have come with a snapshot: the list is small.
        (volume.state == VolumeState::Detached).then_some(volume)
    });
    Effect::new(move |_| {
        let Some(volume) = detached.get() else { return };
        let address = format!("{}?action=snapshotCRList", api::address_of("volumes", &volume.name));
        spawn_local(async move {
            // Without an answer the panel says that the volume has to be attached.
            if let Ok(found) = api::post(&address, &json!({})).await {
                _ = remembered.try_set(found.items("data").iter().filter_map(of_resource).collect());
            }
        });
    });
    Signal::derive(move || match (detached.with(Option::is_some), volume.get()) {
        (true, _) => remembered.get(),
        (false, Some(volume)) => volume.snapshots.clone(),
        (false, None) => Vec::new(),
    })
}

/// Resources of layers that somebody else took are named `<volume>.<layer>`; the tree is that of the layers.
fn of_resource(found: &Thing) -> Option<Snapshot> {
    let prefix = format!("{}.", found.text("volume"));
    let own = |path: &str| {
        let name = found.text(path);
        name.strip_prefix(&prefix).unwrap_or(name).to_owned()
    };
    let label = |(key, value): (String, Thing)| (key, value.json().as_str().unwrap_or_default().to_owned());
    let created = found.text("creationTime");
    (!created.is_empty()).then(|| Snapshot {
        name: own("name"),
        parent: own("parent"),
        removed: found.flag("markRemoved"),
        usercreated: found.flag("userCreated"),
        created: created.to_owned(),
        size: found.bytes("size"),
        labels: Some(found.map("labels").into_iter().map(label).collect()),
        ..Snapshot::default()
    })
}

#[component]
fn NoTree(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let sentence = move || match volume.get().map(|volume| volume.state) {
        Some(VolumeState::Detached) => tr("It has no snapshot. Attach it to take one."),
        _ => tr("The tree appears as soon as the engine runs."),
    };
    view! { <p class="calm dim">{sentence}</p> }
}

#[component]
fn Buttons(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let button = move |action: Action, label: &'static str| {
        let reason = Memo::new(move |_| volume.get().and_then(|volume| refusal(action, &volume)));
        let ask = move |_| {
            if let Some(volume) = volume.get_untracked() {
                dialogs::volume::ask(action, vec![volume.name.clone()]);
            }
        };
        view! {
            <button type="button" disabled=move || reason.get().is_some() title=move || reason.get().map(words::refusal) on:click=ask>
                {label}
            </button>
        }
    };
    let purge = move |_| {
        if let Some(volume) = volume.get_untracked() {
            dialogs::volume::purge(volume.name.clone());
        }
    };
    // The engine merges layers; what nobody serves stays as it is.
    let can_purge =
        Memo::new(move |_| volume.get().is_some_and(|volume| refusal(Action::TakeSnapshot, &volume).is_none()));
    move || {
        may_write().then(|| {
            view! {
                <button type="button" disabled=move || !can_purge.get() on:click=purge>{tr("Purge")}</button>
                {button(Action::BackUp, tr("Back up"))}
                {button(Action::TakeSnapshot, tr("Take snapshot"))}
            }
        })
    }
}

/// How far the merging of deleted snapshots is: as far as the slowest replica.
#[component]
fn Purging(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let progress = Memo::new(move |_| {
        let volume = volume.get()?;
        volume.purge_status.iter().flatten().filter(|row| row.is_purging).map(|row| row.progress.min(100)).min()
    });
    let percent = Signal::derive(move || progress.get().unwrap_or_default());
    view! {
        <Show when=move || progress.get().is_some()>
            <div class="repair" data-testid="purging">
                <span>{tr("Deleted snapshots are being merged")}</span>
                <span class="num">{move || percent.get()}" %"</span>
                <Progress percent label=tr("Purge").to_owned() />
            </div>
        </Show>
    }
}

#[component]
fn Layer(row: Memo<Option<TreeRow>>, volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let Some(first) = row.get_untracked() else { return ().into_any() };
    let (name, kind) = (first.snapshot.name.clone(), kind(&first.snapshot));
    let head = kind == LayerKind::Head;
    let title = if head { tr("Volume head").to_owned() } else { name.clone() };
    let snapshot = move || row.get().map(|row| row.snapshot).unwrap_or_default();
    let removed = move || row.get().is_some_and(|row| row.snapshot.removed);
    let note = move || {
        let snapshot = snapshot();
        let damaged = if snapshot.image_missing { tr("its file is missing") } else { "" };
        [words::layer_kind(self::kind(&snapshot)), damaged]
            .into_iter()
            .filter(|note| !note.is_empty())
            .collect::<Vec<_>>()
            .join(" · ")
    };
    let labels = move || {
        let labels = snapshot().labels.unwrap_or_default();
        labels.into_iter().map(|(key, value)| view! { <span class="tag">{key}": "{value}</span> }).collect_view()
    };
    let created = Signal::derive(move || snapshot().created);
    let size = move || snapshot().size.to_string();
    let when = (!head).then(|| view! { <When text=created /> });
    let graph = move || row.get().map(|row| view! { <Graph row /> });
    let menu = (!head).then(|| view! { <LayerMenu row volume /> });
    view! {
        <li class="layer" class:removed=removed data-testid=format!("snapshot-{name}")>
            {graph}
            <div class="text">
                <strong title=name.clone()>{title}</strong>
                {labels}
                <div class="xs">{when}{move || (!head && !note().is_empty()).then_some(" · ")}{note}</div>
            </div>
            <Sending name=name.clone() volume />
            <span class="num dim">{size}</span>
            {menu}
        </li>
    }
    .into_any()
}

/// How far the backup of this snapshot is, where one runs.
#[component]
fn Sending(name: String, volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let progress = Memo::new(move |_| {
        let volume = volume.get()?;
        let mut running = volume.backup_status.iter().filter(|row| row.snapshot == name && row.error.is_empty());
        running.find(|row| row.progress < 100).map(|row| row.progress)
    });
    let percent = Signal::derive(move || progress.get().unwrap_or_default());
    view! {
        <span class="sending">
            <Show when=move || progress.get().is_some()>
                <span class="xs">{move || fill("backup {} %", &[&percent.get()])}</span>
                <Progress percent label=tr("Backup").to_owned() />
            </Show>
        </span>
    }
}

#[component]
fn LayerMenu(row: Memo<Option<TreeRow>>, volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let label = row.get_untracked().map(|row| fill("Actions for {}", &[&row.snapshot.name])).unwrap_or_default();
    let entries = Callback::new(move |()| {
        let (Some(row), Some(volume)) = (row.get_untracked(), volume.get_untracked()) else { return Vec::new() };
        layer_entries(&row.snapshot, &volume)
    });
    move || may_write().then(|| view! { <Menu label=label.clone() entries /> })
}

/// Everything that can be done with a snapshot, those that are impossible now with their reason.
pub(super) fn layer_entries(snapshot: &Snapshot, volume: &Arc<Volume>) -> Vec<Entry> {
    let kind = kind(snapshot);
    let (name, of) = (snapshot.name.clone(), volume.name.clone());
    let running = volume.state == VolumeState::Attached;
    let gone = (kind == LayerKind::Removed).then(|| tr("It is deleted"));
    let by_system = (kind == LayerKind::System).then(|| tr("It was made by the system"));
    let used = |action: Action| refusal(action, volume).map(words::refusal);
    let entry = |label: &str, refusal: Option<&str>, danger: bool, choose: Callback<()>| Entry {
        label: label.to_owned(),
        refusal: refusal.map(str::to_owned),
        danger,
        choose,
    };
    let (revert, back_up, delete) =
        ((of.clone(), name.clone()), (of.clone(), name.clone()), (of.clone(), name.clone()));
    let source = (Arc::clone(volume), name.clone());
    let files = format!("files?volume={}&snapshot={}", encoded(&of), encoded(&name));
    vec![
        entry(
            tr("Revert…"),
            gone.or(by_system).or_else(|| used(Action::TakeSnapshot)),
            false,
            Callback::new(move |()| dialogs::volume::revert(revert.0.clone(), revert.1.clone())),
        ),
        entry(
            tr("Back up…"),
            gone.or(by_system).or_else(|| used(Action::BackUp)),
            false,
            Callback::new(move |()| dialogs::volume::back_up_snapshot(back_up.0.clone(), back_up.1.clone())),
        ),
        entry(
            tr("Clone…"),
            gone.or_else(|| used(Action::Clone)),
            false,
            Callback::new(move |()| {
                dialogs::volume::create_like(dialogs::volume::clone_of(&source.0, Some(source.1.as_str())))
            }),
        ),
        entry(
            tr("Files"),
            gone.or_else(|| (!running).then(|| tr("Attach it first"))),
            false,
            Callback::new(move |()| address::go(&files)),
        ),
        entry(
            tr("Delete…"),
            gone.or_else(|| volume.standby.then(|| tr("It follows a backup: activate it first"))),
            true,
            Callback::new(move |()| dialogs::volume::delete_snapshot(delete.0.clone(), delete.1.clone(), running)),
        ),
    ]
}

fn encoded(text: &str) -> String {
    js_sys::encode_uri_component(text).into()
}

/// The lines of one row: those that run through, its own, and the dot.
#[component]
fn Graph(row: TreeRow) -> impl IntoView {
    let x = |column: usize| FIRST_PIXELS + column * COLUMN_PIXELS;
    let (own, middle) = (x(row.column), ROW_PIXELS / 2);
    let mut lines: Vec<String> = (0..row.column).map(|column| format!("M{} 0V{ROW_PIXELS}", x(column))).collect();
    if row.line_up {
        lines.push(format!("M{own} 0V{middle}"));
    }
    match row.stem {
        Stem::None => {}
        Stem::Straight => lines.push(format!("M{own} {middle}V{ROW_PIXELS}")),
        Stem::Joins => {
            let below = x(row.column.saturating_sub(1));
            lines.push(format!(
                "M{own} {middle}C{own} {} {below} {} {below} {ROW_PIXELS}",
                middle + 14,
                ROW_PIXELS - 14
            ));
        }
    }
    let (class, radius) = match kind(&row.snapshot) {
        LayerKind::Head => ("head-dot", 6),
        LayerKind::User => ("user-dot", 5),
        LayerKind::System => ("system-dot", 3),
        LayerKind::Removed => ("removed-dot", 4),
    };
    let width = x(row.column) + FIRST_PIXELS;
    view! {
        <svg class="graph" width=width height=ROW_PIXELS viewBox=format!("0 0 {width} {ROW_PIXELS}") aria-hidden="true">
            <path d=lines.join("") />
            <circle class=class cx=own cy=middle r=radius />
        </svg>
    }
}
