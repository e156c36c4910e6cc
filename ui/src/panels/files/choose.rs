//! Which snapshot's files: those of attached volumes can be read as they are, backups without any volume.

use leptos::prelude::*;

use super::go;
use super::source::{Place, Source};
use crate::live::Live;
use crate::model::snapshot_tree::{LayerKind, kind};
use crate::words::tr;

#[component]
pub(crate) fn Choose() -> impl IntoView {
    let live = Live::expect();
    let (volume, snapshot) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    // Only an engine can read them.
    let volumes = Memo::new(move |_| {
        let all = live.volumes.all();
        all.iter().filter(|volume| !volume.node().is_empty()).map(|volume| volume.name.clone()).collect::<Vec<_>>()
    });
    let snapshots = Memo::new(move |_| {
        let found = live.volumes.get(&volume.get());
        let layers = found.map(|volume| volume.snapshots.clone()).unwrap_or_default();
        layers.iter().filter(|layer| kind(layer) == LayerKind::User).map(|layer| layer.name.clone()).collect::<Vec<_>>()
    });
    let open = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let source = Source::Snapshot { volume: volume.get_untracked(), snapshot: snapshot.get_untracked() };
        go(&Place { source, path: "/".to_owned(), partition: String::new() }.page());
    };
    let option = |chosen: RwSignal<String>| {
        move |name: String| {
            let this = name.clone();
            view! { <option value=name.clone() prop:selected=move || chosen.get() == this>{name.clone()}</option> }
        }
    };
    let change = move |event| {
        volume.set(event_target_value(&event));
        snapshot.set(String::new());
    };
    view! {
        <section class="card empty">
            <h2 class="title">{tr("Files out of a snapshot or a backup")}</h2>
            <p class="dim">{tr("One file or a whole folder, without restoring the volume. Nothing is written, and the volume goes on meanwhile.")}</p>
            <form class="choose" on:submit=open>
                <label class="field">
                    <span>{tr("Attached volume")}</span>
                    <select name="volume" on:change=change>
                        <option value="">{tr("Choose…")}</option>
                        {move || volumes.get().into_iter().map(option(volume)).collect_view()}
                    </select>
                </label>
                <label class="field">
                    <span>{tr("Snapshot")}</span>
                    <select name="snapshot" on:change=move |event| snapshot.set(event_target_value(&event))>
                        <option value="">{tr("Choose…")}</option>
                        {move || snapshots.get().into_iter().map(option(snapshot)).collect_view()}
                    </select>
                </label>
                <button type="submit" class="primary" disabled=move || snapshot.with(String::is_empty)>{tr("Browse files")}</button>
            </form>
            <p class="hint">{tr("Files of a backup: open the backups of its volume and choose “Browse files”.")}</p>
            <a class="button" href="backups">{tr("Backups")}</a>
        </section>
    }
}
