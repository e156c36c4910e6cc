//! All volumes.

use std::collections::BTreeSet;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};

use super::dashboard::FirstVolume;
use super::titled;
use crate::address;
use crate::components::icon::{Icon, Pictogram};
use crate::components::skeleton::Skeleton;
use crate::dialogs::{Question, Questions};
use crate::live::Live;
use crate::model::filter::Sort;
use crate::model::phase::Group;
use crate::panels::bulk_bar::BulkBar;
use crate::panels::volume_filters::VolumeFilters;
use crate::panels::volume_table::{Shown, VolumeTable, listed};
use crate::words;

#[component]
pub(crate) fn VolumesPage() -> impl IntoView {
    let live = Live::expect();
    let questions = Questions::expect();
    titled(|| words::tr("Volumes").to_owned());
    let query = use_query_map();
    let group = Memo::new(move |_| query.with(|query| query.get("status").and_then(|key| Group::from_key(&key))));
    let shown = Shown {
        group: group.into(),
        text: RwSignal::new(String::new()),
        sort: RwSignal::new(Sort::default()),
        selected: RwSignal::new(BTreeSet::new()),
    };
    let names = listed(live, shown);
    forget_what_is_gone(live, shown.selected);
    let navigate = use_navigate();
    let root = address::root_path();
    let choose = Callback::new(move |group: Option<Group>| {
        let query = group.map(|group| format!("?status={}", group.key())).unwrap_or_default();
        let options = NavigateOptions { scroll: false, replace: true, resolve: false, ..NavigateOptions::default() };
        navigate(&format!("{root}/volumes{query}"), options);
    });
    view! {
        <div class="head">
            <h1>"Volumes"</h1>
            <span class="dim">{move || live.loaded.get().then(|| words::grouped(live.volumes.len()))}</span>
            <div class="right">
                <button type="button" class="primary" on:click=move |_| questions.ask(Question::CreateVolume)>
                    <Pictogram icon=Icon::Plus />
                    "Create volume"
                </button>
            </div>
        </div>
        <Show when=move || live.loaded.get() fallback=|| view! { <section class="card"><Skeleton lines=10 /></section> }>
            <Show when=move || { live.volumes.len() > 0 } fallback=FirstVolume>
                <VolumeFilters group choose text=shown.text />
                <BulkBar selected=shown.selected />
                <Show when=move || !names.with(Vec::is_empty) fallback=move || view! { <NothingMatches shown choose /> }>
                    <VolumeTable names shown />
                </Show>
            </Show>
        </Show>
    }
}

/// A volume that is gone must not be counted among the selected ones.
fn forget_what_is_gone(live: Live, selected: RwSignal<BTreeSet<String>>) {
    Effect::new(move |_| {
        live.volumes.len();
        let gone = |name: &String| live.volumes.row(name).is_none();
        if selected.with_untracked(|selected| selected.iter().any(gone)) {
            selected.update(|selected| selected.retain(|name| !gone(name)));
        }
    });
}

#[component]
fn NothingMatches(shown: Shown, choose: Callback<Option<Group>>) -> impl IntoView {
    let clear = move |_| {
        shown.text.set(String::new());
        choose.run(None);
    };
    view! {
        <section class="card">
            <p class="calm dim">"No volume matches the filter."</p>
            <div><button type="button" on:click=clear>"Show all volumes"</button></div>
        </section>
    }
}
