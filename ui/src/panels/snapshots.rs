//! The snapshot tree of a volume.

use std::sync::Arc;

use aurochs_api::volume::{Volume, VolumeState};
use leptos::prelude::*;

use crate::components::menu::{Entry, Menu};
use crate::components::when::When;
use crate::dialogs::{Question, Questions};
use crate::hold::Hold;
use crate::model::action::{Action, refusal};
use crate::model::snapshot_tree::{LayerKind, Stem, TreeRow, has_system, kind, rows};
use crate::words;

const ROW_PIXELS: usize = 48;
const COLUMN_PIXELS: usize = 16;
const FIRST_PIXELS: usize = 12;

#[component]
pub(crate) fn SnapshotsPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let hold = Hold::expect();
    let system = RwSignal::new(false);
    let tree = Memo::new(move |before: Option<&Vec<TreeRow>>| match (hold.is_held(), before) {
        // Rows must not move under an open menu.
        (true, Some(before)) => before.clone(),
        _ => volume.get().map(|volume| rows(&volume.snapshots, system.get())).unwrap_or_default(),
    });
    let some_system = Memo::new(move |_| volume.get().is_some_and(|volume| has_system(&volume.snapshots)));
    let detached = Memo::new(move |_| volume.get().is_some_and(|volume| volume.state == VolumeState::Detached));
    view! {
        <section class="card" aria-labelledby="snapshots-title" data-testid="snapshots">
            <div class="head">
                <h2 id="snapshots-title">"Snapshots"</h2>
                <div class="right">
                    <Show when=move || some_system.get()>
                        <label class="check small">
                            <input type="checkbox" bind:checked=system />
                            <span>"Show system snapshots"</span>
                        </label>
                    </Show>
                    <TakeSnapshot volume />
                </div>
            </div>
            <Show when=move || !tree.with(Vec::is_empty) fallback=move || view! { <NoTree detached /> }>
                <ol class="tree" aria-label="Snapshot tree, newest first">
                    {move || tree.get().into_iter().map(|row| view! { <Layer row volume /> }).collect_view()}
                </ol>
            </Show>
        </section>
    }
}

#[component]
fn NoTree(detached: Memo<bool>) -> impl IntoView {
    let sentence = move || match detached.get() {
        true => "Attach the volume to see its snapshots: its replicas keep them.",
        false => "The tree appears as soon as the engine runs.",
    };
    view! { <p class="calm dim">{sentence}</p> }
}

#[component]
fn TakeSnapshot(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let questions = Questions::expect();
    let reason = Memo::new(move |_| volume.get().and_then(|volume| refusal(Action::TakeSnapshot, &volume)));
    let ask = move |_| {
        if let Some(volume) = volume.get_untracked() {
            questions.ask(Question::TakeSnapshot { volume: volume.name.clone() });
        }
    };
    view! {
        <button type="button" disabled=move || reason.get().is_some() title=move || reason.get().map(words::refusal) on:click=ask>
            "Take snapshot"
        </button>
    }
}

#[component]
fn Layer(row: TreeRow, volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let kind = kind(&row.snapshot);
    let head = kind == LayerKind::Head;
    let name = if head { "Volume head".to_owned() } else { row.snapshot.name.clone() };
    let created = row.snapshot.created.clone();
    let labels = row.snapshot.labels.clone().unwrap_or_default();
    let labels =
        labels.into_iter().map(|(key, value)| view! { <span class="tag">{key}": "{value}</span> }).collect_view();
    let note = words::layer_kind(kind);
    let snapshot = row.snapshot.name.clone();
    let menu = (!head).then(|| view! { <LayerMenu snapshot kind volume /> });
    view! {
        <li class="layer" class:removed=kind == LayerKind::Removed data-testid=format!("snapshot-{}", row.snapshot.name)>
            <Graph row=row.clone() />
            <div class="text">
                <strong>{name}</strong>
                {labels}
                <div class="xs">
                    {(!head).then(|| view! { <When text=Signal::stored(created) /> })}
                    {(!head && !note.is_empty()).then_some(" · ")}
                    {note}
                </div>
            </div>
            <span class="num dim">{row.snapshot.size.to_string()}</span>
            {menu}
        </li>
    }
}

#[component]
fn LayerMenu(snapshot: String, kind: LayerKind, volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let questions = Questions::expect();
    let label = format!("Actions for {snapshot}");
    let entries = Callback::new(move |()| {
        let name = volume.get_untracked().map(|volume| volume.name.clone()).unwrap_or_default();
        let ask = |question: Question| Callback::new(move |()| questions.ask(question.clone()));
        let (revert_refusal, delete_refusal) = match kind {
            LayerKind::Removed => (Some("It is deleted".to_owned()), Some("It is deleted already".to_owned())),
            LayerKind::System => (Some("It was made by the system".to_owned()), None),
            LayerKind::User | LayerKind::Head => (None, None),
        };
        vec![
            Entry {
                label: "Revert…".to_owned(),
                refusal: revert_refusal,
                danger: false,
                choose: ask(Question::Revert { volume: name.clone(), snapshot: snapshot.clone() }),
            },
            Entry {
                label: "Delete…".to_owned(),
                refusal: delete_refusal,
                danger: true,
                choose: ask(Question::DeleteSnapshot { volume: name, snapshot: snapshot.clone() }),
            },
        ]
    });
    view! { <Menu label entries /> }
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
