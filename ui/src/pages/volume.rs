//! One volume: why → replicas on their nodes → snapshot tree → how to use it, and by tab what it did, what keeps copies of
//! it, what can be changed of it, what happened to it.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use aurochs_api::volume::phase::Phase;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::titled;
use crate::components::badge::Badge;
use crate::components::menu::Menu;
use crate::components::page::{PageHead, Tab, Tabs};
use crate::components::skeleton::Skeleton;
use crate::live::Live;
use crate::model::action::{Action, is_restoring, refusal};
use crate::panels::activity::{EventsPanel, TicketsPanel, VolumeJobsPanel};
use crate::panels::details::{DetailsPanel, FactsPanel};
use crate::panels::performance::{LastHour, PerformancePanel};
use crate::panels::protection::{BackupsPanel, RecurringPanel};
use crate::panels::replicas::ReplicasPanel;
use crate::panels::snapshots::SnapshotsPanel;
use crate::panels::use_it::UseItPanel;
use crate::panels::volume_actions::entries_of;
use crate::panels::volume_settings::VolumeSettingsPanel;
use crate::panels::why::WhyPanel;
use crate::role::may_write;
use crate::words::{self, fill, tr};
use crate::{address, dialogs};

type Followed = Memo<Option<Arc<Volume>>>;

#[component]
pub(crate) fn VolumePage() -> impl IntoView {
    let live = Live::expect();
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|params| params.get("name").unwrap_or_default()));
    titled(move || name.get());
    let volume = live.volume(move || name.get());
    let found = Memo::new(move |_| volume.with(Option::is_some));
    leave_when_deleted(name, volume);
    view! {
        <Show when=move || live.loaded.get() fallback=move || view! { <Loading name /> }>
            <Show when=move || found.get() fallback=move || view! { <NotFound name /> }>
                <Header name volume />
                <WhyPanel volume />
                <Tabs tabs=tabs(name, volume) />
            </Show>
        </Show>
    }
}

fn tabs(name: Memo<String>, volume: Followed) -> Vec<Tab> {
    let tab = |key, label, view: ViewFn| Tab { key, label, view };
    vec![
        tab("overview", "Overview", ViewFn::from(move || view! { <Overview name volume /> })),
        tab("performance", "Performance", ViewFn::from(move || view! { <PerformancePanel name /> })),
        tab(
            "backups",
            "Backups and jobs",
            ViewFn::from(move || view! { <BackupsPanel volume /><RecurringPanel volume /> }),
        ),
        tab(
            "settings",
            "Settings",
            ViewFn::from(move || {
                view! {
                    <div class="grid21"><VolumeSettingsPanel volume /><FactsPanel volume /></div>
                }
            }),
        ),
        tab(
            "activity",
            "Activity",
            ViewFn::from(move || view! { <EventsPanel volume /><VolumeJobsPanel name /><TicketsPanel volume /> }),
        ),
    ]
}

#[component]
fn Overview(name: Memo<String>, volume: Followed) -> impl IntoView {
    view! {
        <div class="grid21">
            <div class="stack">
                <ReplicasPanel volume />
                <SnapshotsPanel volume />
            </div>
            <div class="stack">
                <UseItPanel volume />
                <LastHour name />
                <DetailsPanel volume />
            </div>
        </div>
    }
}

/// Who saw it going has nothing to read here when it is gone. Somebody who comes later is told that it is not there.
fn leave_when_deleted(name: Memo<String>, volume: Followed) {
    // That it is being deleted and that it is gone may come at once.
    Effect::new(move |before: Option<Option<String>>| {
        let shown = volume.get().map(|volume| volume.name.clone());
        let same = before.flatten().is_some_and(|before| before == name.get_untracked());
        if shown.is_none() && same {
            address::go("volumes");
        }
        shown
    });
}

#[component]
fn Header(name: Memo<String>, volume: Followed) -> impl IntoView {
    let menu = Callback::new(move |()| entries_of(&[name.get_untracked()]));
    let actions = move || {
        may_write().then(|| view! {
            <MainAction volume />
            {move || view! { <Menu label=fill("More actions for {}", &[&name.get()]) text=tr("More") entries=menu /> }}
        })
    };
    view! {
        <PageHead
            title=name
            crumbs=vec![("volumes", "Volumes")]
            note=ViewFn::from(move || view! { <State volume /> })
            actions=ViewFn::from(move || actions)
        />
    }
}

/// How it is, how large, where, and what is special about it.
#[component]
fn State(volume: Followed) -> impl IntoView {
    let phase =
        Memo::new(move |_| volume.with(|volume| volume.as_ref().map_or(Phase::Starting, |volume| Phase::of(volume))));
    let place = Memo::new(move |_| {
        volume.with(|volume| {
            let volume = volume.as_ref().filter(|volume| !volume.node().is_empty())?;
            Some(fill(", attached to {}", &[&volume.node()]))
        })
    });
    let tags = Memo::new(move |_| volume.with(|volume| volume.as_ref().map(|volume| tags(volume)).unwrap_or_default()));
    let size = move || volume.with(|volume| volume.as_ref().map(|volume| volume.size.to_string()));
    view! {
        <span data-testid="volume-state">
            <Badge mark=Signal::derive(move || phase.get().into()) text=Signal::derive(move || words::phase(phase.get()).to_owned()) />
        </span>
        <span class="dim">{size}{move || place.get()}</span>
        {move || tags.get().into_iter().map(|tag| view! { <span class="tag">{tag}</span> }).collect_view()}
    }
}

fn tags(volume: &Volume) -> Vec<&'static str> {
    let attached = !volume.node().is_empty();
    let tags = [
        (volume.disable_frontend && attached && !volume.standby, tr("maintenance")),
        (volume.standby, tr("standby")),
        (is_restoring(volume), tr("restoring")),
        (volume.encrypted, tr("encrypted")),
    ];
    tags.into_iter().filter(|(is, _)| *is).map(|(_, tag)| tag).collect()
}

/// The one thing that is most likely wanted: salvage when nothing else helps, a size taken back that it can't get, activate a
/// standby volume, attach when it is idle, detach when it is in use.
#[component]
fn MainAction(volume: Followed) -> impl IntoView {
    let offered = Memo::new(move |_| {
        let volume = volume.get()?;
        let likely = [Action::Salvage, Action::CancelExpansion, Action::Activate, Action::Attach, Action::Detach];
        likely.into_iter().find(|action| refusal(*action, &volume).is_none())
    });
    let ask = move |action: Action| {
        if let Some(volume) = volume.get_untracked() {
            dialogs::volume::ask(action, vec![volume.name.clone()]);
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
        <PageHead title=name crumbs=vec![("volumes", "Volumes")] />
        <div class="grid21">
            <section class="card"><Skeleton lines=8 /></section>
            <section class="card"><Skeleton lines=5 /></section>
        </div>
    }
}

#[component]
fn NotFound(name: Memo<String>) -> impl IntoView {
    view! {
        <PageHead title=name crumbs=vec![("volumes", "Volumes")] />
        <section class="card empty">
            <h2 class="title">{tr("There is no volume of this name")}</h2>
            <p class="dim">{tr("It may have been deleted, or the address has a typing error.")}</p>
            <div><a class="button" href="volumes">{tr("Show all volumes")}</a></div>
        </section>
    }
}
