//! One volume in the list. Every cell follows the volume's own signal.

use std::collections::BTreeSet;
use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::prelude::*;

use super::volume_actions::entries_of;
use crate::components::badge::Badge;
use crate::components::bar::{Bar, Part, share};
use crate::components::menu::Menu;
use crate::components::when::When;
use crate::live::Row;
use crate::model::phase::Phase;
use crate::model::replicas::usable;
use crate::{address, words};

#[component]
pub(crate) fn VolumeRow(row: Row<Volume>, selected: RwSignal<BTreeSet<String>>) -> impl IntoView {
    let volume = RwSignal::from(row);
    let name = volume.with_untracked(|volume| volume.name.clone());
    let phase = Memo::new(move |_| volume.with(|volume| Phase::of(volume)));
    let replicas = Memo::new(move |_| volume.with(|volume| usable(volume)));
    let short = move || replicas.with(|(usable, wished)| *usable < *wished as usize);
    let node = Memo::new(move |_| volume.with(|volume| volume.node().to_owned()));
    let maintenance = Memo::new(move |_| volume.with(|volume| volume.disable_frontend && !volume.node().is_empty()));
    let menu = Callback::new(move |()| entries_of(&[volume.with_untracked(|volume| volume.name.clone())]));
    let this = name.clone();
    let is_selected = Memo::new(move |_| selected.with(|selected| selected.contains(&this)));
    view! {
        <tr class:selected=move || is_selected.get() data-testid=format!("volume-{name}")>
            <td class="pick"><Pick name=name.clone() is_selected selected /></td>
            <td class="state">
                <Badge mark=Signal::derive(move || phase.get().into()) text=Signal::derive(move || words::phase(phase.get()).to_owned()) />
            </td>
            <td class="name"><a href=address::volume(&name)><strong>{name.clone()}</strong></a></td>
            <td class="num size">{move || volume.with(|volume| volume.size.to_string())}</td>
            <td class="num actual"><Actual volume /></td>
            <td class="node">
                {move || if node.with(String::is_empty) { "–".to_owned() } else { node.get() }}
                {move || maintenance.get().then(|| view! { <span class="tag">"maintenance"</span> })}
            </td>
            <td class="replicas" class:short=short>{move || replicas.with(|(usable, wished)| words::of(*usable, *wished))}</td>
            <td class="created dim"><When text=Signal::derive(move || volume.with(|volume| volume.created.clone())) /></td>
            <td class="act"><Menu label=format!("Actions for {name}") entries=menu /></td>
        </tr>
    }
}

#[component]
fn Pick(name: String, is_selected: Memo<bool>, selected: RwSignal<BTreeSet<String>>) -> impl IntoView {
    let label = format!("Select {name}");
    let toggle = move |_| {
        selected.update(|selected| {
            if !selected.remove(&name) {
                selected.insert(name.clone());
            }
        });
    };
    view! { <input type="checkbox" aria-label=label prop:checked=move || is_selected.get() on:change=toggle /> }
}

/// Bytes on disk, and how much of the size that is.
#[component]
fn Actual(volume: RwSignal<Arc<Volume>>) -> impl IntoView {
    let known =
        Memo::new(move |_| volume.with(|volume| (volume.actual_size(), volume.size, volume.controllers.is_empty())));
    let text = move || match known.get() {
        (_, _, true) => "–".to_owned(),
        (actual, _, false) => actual.to_string(),
    };
    let parts = Signal::derive(move || {
        let (actual, size, _) = known.get();
        vec![Part { share: share(actual.bytes(), size.bytes()), colour: "bar-used" }]
    });
    view! { <span>{text}</span><Bar parts thin=true /> }
}
