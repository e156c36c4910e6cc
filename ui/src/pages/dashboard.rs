//! The first page: attention → space, volumes, nodes → what is running.

use leptos::prelude::*;

use super::titled;
use crate::components::icon::{Icon, Pictogram};
use crate::components::skeleton::Skeleton;
use crate::dialogs::{Question, Questions};
use crate::live::Live;
use crate::panels::attention::AttentionPanel;
use crate::panels::jobs::JobsPanel;
use crate::panels::node_states::NodeStatesPanel;
use crate::panels::space::SpacePanel;
use crate::panels::volume_states::VolumeStatesPanel;
use crate::words;

#[component]
pub(crate) fn DashboardPage() -> impl IntoView {
    let live = Live::expect();
    titled(|| words::tr("Dashboard").to_owned());
    let summary = move || {
        let disks = live.nodes.all().iter().map(|node| node.disks.len()).sum();
        let parts = [
            words::count(live.nodes.len(), "node"),
            words::count(disks, "disk"),
            words::count(live.volumes.len(), "volume"),
        ];
        live.loaded.get().then(|| parts.join(", "))
    };
    view! {
        <div class="head"><h1>"Dashboard"</h1><span class="dim">{summary}</span></div>
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
            <JobsPanel />
        </Show>
    }
}

/// A fresh installation has one thing to do.
#[component]
pub(crate) fn FirstVolume() -> impl IntoView {
    let questions = Questions::expect();
    view! {
        <section class="card welcome">
            <Pictogram icon=Icon::Volumes />
            <div>
                <h2 class="title">"Create the first volume"</h2>
                <p class="dim">"A volume is a disk that lives on several nodes at once. Attach it to one of them and it appears there as a block device."</p>
            </div>
            <button type="button" class="primary" on:click=move |_| questions.ask(Question::CreateVolume)>"Create volume"</button>
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
