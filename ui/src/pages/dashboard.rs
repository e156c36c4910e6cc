//! The first page: attention → space, volumes, nodes → what is running and how the space goes → what happened.

use leptos::prelude::*;

use super::titled;
use crate::components::icon::{Icon, Pictogram};
use crate::components::page::PageHead;
use crate::components::skeleton::Skeleton;
use crate::dialogs;
use crate::live::{Live, follow};
use crate::panels::attention::AttentionPanel;
use crate::panels::jobs::JobsPanel;
use crate::panels::node_states::NodeStatesPanel;
use crate::panels::ops::happened::Happened;
use crate::panels::ops::room::RoomOverTime;
use crate::panels::space::SpacePanel;
use crate::panels::volume_states::VolumeStatesPanel;
use crate::role::may_write;
use crate::words::{fill, grouped, tr};

#[component]
pub(crate) fn DashboardPage() -> impl IntoView {
    let live = Live::expect();
    titled(|| tr("Dashboard").to_owned());
    let events = follow("events");
    let summary = move || {
        let disks = live.nodes.all().iter().map(|node| node.disks.len()).sum::<usize>();
        live.loaded.get().then(|| {
            fill(
                "{} nodes, {} disks, {} volumes",
                &[&grouped(live.nodes.len()), &grouped(disks), &grouped(live.volumes.len())],
            )
        })
    };
    let disks = Memo::new(move |_| {
        live.nodes
            .all()
            .iter()
            .map(|node| (node.name.clone(), node.disks.keys().cloned().collect::<Vec<_>>()))
            .collect::<Vec<_>>()
    });
    view! {
        <PageHead title=tr("Dashboard") note=move || view! { <span class="dim">{summary}</span> } />
        <Show when=move || live.loaded.get() fallback=Loading>
            <Show when=move || live.volumes.len() == 0>
                <FirstVolume />
            </Show>
            <AttentionPanel />
            <div class="grid3">
                <SpacePanel />
                <VolumeStatesPanel />
                <NodeStatesPanel />
            </div>
            <div class="grid2">
                <div class="stack">
                    <JobsPanel />
                    <RoomOverTime node=Signal::from(disks) />
                </div>
                <Happened events about=Signal::stored(String::new()) />
            </div>
        </Show>
    }
}

/// A fresh installation has one thing to do.
#[component]
pub(crate) fn FirstVolume() -> impl IntoView {
    let create = move || {
        may_write().then(|| view! {
            <button type="button" class="primary" on:click=|_| dialogs::volume::create()>{tr("Create volume")}</button>
        })
    };
    view! {
        <section class="card welcome">
            <Pictogram icon=Icon::Volumes />
            <div>
                <h2 class="title">{tr("Create the first volume")}</h2>
                <p class="dim">{tr("A volume is a disk that lives on several nodes at once. Attach it to one of them and it appears there as a block device.")}</p>
            </div>
            {create}
        </section>
    }
}

#[component]
fn Loading() -> impl IntoView {
    view! {
        <section class="card"><Skeleton lines=3 /></section>
        <div class="grid3">
            <section class="card"><Skeleton lines=6 /></section>
            <section class="card"><Skeleton lines=6 /></section>
            <section class="card"><Skeleton lines=6 /></section>
        </div>
    }
}
