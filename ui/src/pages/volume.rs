//! One volume: why → replicas on their nodes → snapshot tree → how to use it.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::titled;
use crate::components::badge::Badge;
use crate::components::menu::Menu;
use crate::components::skeleton::Skeleton;
use crate::dialogs::Questions;
use crate::live::Live;
use crate::model::action::{Action, refusal};
use crate::model::phase::Phase;
use crate::panels::details::DetailsPanel;
use crate::panels::replicas::ReplicasPanel;
use crate::panels::snapshots::SnapshotsPanel;
use crate::panels::use_it::UseItPanel;
use crate::panels::volume_actions::{entries, question};
use crate::panels::why::WhyPanel;
use crate::words;

#[component]
pub(crate) fn VolumePage() -> impl IntoView {
    let live = Live::expect();
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|params| params.get("name").unwrap_or_default()));
    titled(move || name.get());
    let volume = live.volume(move || name.get());
    let found = Memo::new(move |_| volume.with(Option::is_some));
    view! {
        <Show when=move || live.loaded.get() fallback=move || view! { <Loading name /> }>
            <Show when=move || found.get() fallback=move || view! { <NotFound name /> }>
                <Header name volume />
                <WhyPanel volume />
                <div class="grid21">
                    <div class="stack">
                        <ReplicasPanel volume />
                        <SnapshotsPanel volume />
                    </div>
                    <div class="stack">
                        <UseItPanel volume />
                        <DetailsPanel volume />
                    </div>
                </div>
            </Show>
        </Show>
    }
}

#[component]
fn Header(name: Memo<String>, volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let questions = Questions::expect();
    let phase =
        Memo::new(move |_| volume.with(|volume| volume.as_ref().map_or(Phase::Starting, |volume| Phase::of(volume))));
    let place = Memo::new(move |_| {
        volume.with(|volume| {
            let volume = volume.as_ref().filter(|volume| !volume.node().is_empty())?;
            let mode = if volume.disable_frontend { ", maintenance mode" } else { "" };
            Some(format!("attached to {}{mode}", volume.node()))
        })
    });
    let menu = Callback::new(move |()| {
        volume.with_untracked(|volume| volume.as_ref().map(|volume| entries(volume, questions)).unwrap_or_default())
    });
    let size = move || volume.with(|volume| volume.as_ref().map(|volume| volume.size.to_string()));
    view! {
        <div class="head">
            <a class="dim crumb" href="volumes">"Volumes"</a>
            <span class="dim" aria-hidden="true">"/"</span>
            <h1 class="name">{move || name.get()}</h1>
            <span data-testid="volume-state">
                <Badge mark=Signal::derive(move || phase.get().into()) text=Signal::derive(move || words::phase(phase.get()).to_owned()) />
            </span>
            <span class="dim">{size}{move || place.get().map(|place| format!(", {place}"))}</span>
            <div class="right">
                <MainAction volume />
                {move || view! { <Menu label=format!("More actions for {}", name.get()) text="More" entries=menu /> }}
            </div>
        </div>
    }
}

/// The one thing that is most likely wanted: salvage when nothing else helps, a size taken back that it can't get, attach
/// when it is idle, detach when it is in use.
#[component]
fn MainAction(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let questions = Questions::expect();
    let offered = Memo::new(move |_| {
        let volume = volume.get()?;
        let likely = [Action::Salvage, Action::CancelExpansion, Action::Attach, Action::Detach];
        likely.into_iter().find(|action| refusal(*action, &volume).is_none())
    });
    let ask = move |action: Action| {
        if let Some(volume) = volume.get_untracked() {
            questions.ask(question(action, &volume.name));
        }
    };
    move || {
        offered.get().map(|action| {
            view! {
                <button type="button" class:primary=action == Action::Attach on:click=move |_| ask(action)>
                    {words::action(action).trim_end_matches('…')}
                </button>
            }
        })
    }
}

#[component]
fn Loading(name: Memo<String>) -> impl IntoView {
    view! {
        <div class="head"><a class="dim crumb" href="volumes">"Volumes"</a><span class="dim">"/"</span><h1>{move || name.get()}</h1></div>
        <div class="grid21">
            <section class="card"><Skeleton lines=8 /></section>
            <section class="card"><Skeleton lines=5 /></section>
        </div>
    }
}

#[component]
fn NotFound(name: Memo<String>) -> impl IntoView {
    view! {
        <div class="head"><a class="dim crumb" href="volumes">"Volumes"</a><span class="dim">"/"</span><h1>{move || name.get()}</h1></div>
        <section class="card empty">
            <h2 class="title">"There is no volume of this name"</h2>
            <p class="dim">"It may have been deleted, or the address has a typing error."</p>
            <div><a class="button" href="volumes">"Show all volumes"</a></div>
        </section>
    }
}
