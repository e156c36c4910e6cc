//! One node: what it can do, what it can't and why, and its disks.

use std::sync::Arc;

use aurochs_api::cause::Cause;
use aurochs_api::condition::{Condition, ConditionStatus};
use aurochs_api::node::{FrontendOffer, Node};
use leptos::prelude::*;

use super::disk::DiskPart;
use crate::components::badge::{Badge, Shape};
use crate::components::places::Places;
use crate::live::{Live, Row};
use crate::words::{self, Mark, process_mark};

#[component]
pub(crate) fn NodeCard(row: Row<Node>) -> impl IntoView {
    let node = RwSignal::from(row);
    let name = node.with_untracked(|node| node.name.clone());
    let status = Memo::new(move |_| node.with(|node| node.status()));
    let about = move || {
        node.with(|node| {
            let zone = if node.zone.is_empty() { String::new() } else { format!("zone {}", node.zone) };
            [node.address.clone(), node.region.clone(), zone]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" · ")
        })
    };
    let tags = move || {
        node.with(|node| node.tags.iter().map(|tag| view! { <span class="tag">{tag.clone()}</span> }).collect_view())
    };
    let causes = Memo::new(move |_| node.with(|node| node.causes.clone()));
    let disks = Memo::new(move |_| node.with(|node| node.disks.clone()));
    view! {
        <section class="card node-card" aria-label=name.clone() data-testid=format!("node-{name}")>
            <div class="head">
                <h2 class="title">{name.clone()}</h2>
                <Badge
                    mark=Signal::derive(move || status.get().into())
                    text=Signal::derive(move || words::node_status(status.get()).to_owned())
                />
                <span class="dim">{about}</span>
                {tags}
            </div>
            <ul class="reasons">
                {move || causes.get().into_iter().map(|cause| view! { <Reason cause /> }).collect_view()}
            </ul>
            <div class="node-columns">
                <Abilities node />
                <div class="disks">
                    {move || disks.get().into_iter().map(|(name, disk)| view! { <DiskPart name disk /> }).collect_view()}
                    {move || disks.with(|disks| disks.is_empty()).then(|| view! { <p class="dim">"No disk."</p> })}
                </div>
            </div>
        </section>
    }
}

#[component]
fn Reason(cause: Cause) -> impl IntoView {
    let class = Mark::of(&cause).class();
    view! {
        <li class=class>
            {cause.message}" "<span class="dim">{cause.next_step}</span>
            <Places details=cause.details />
        </li>
    }
}

/// Conditions, instance manager and frontends, one line each with the reason where something is missing.
#[component]
fn Abilities(node: RwSignal<Arc<Node>>) -> impl IntoView {
    let conditions = Memo::new(move |_| node.with(|node| node.conditions.values().cloned().collect::<Vec<_>>()));
    let offers = Memo::new(move |_| node.with(|node| node.frontends.clone()));
    view! {
        <div class="abilities">
            <h3>"Conditions"</h3>
            <ul class="checks">
                {move || conditions.get().into_iter().map(|condition| view! { <ConditionLine condition /> }).collect_view()}
                <InstanceManagerLine node />
            </ul>
            <Show when=move || !offers.with(Vec::is_empty)>
                <h3>"Frontends"</h3>
                <ul class="checks">
                    {move || offers.get().into_iter().map(|offer| view! { <OfferLine offer /> }).collect_view()}
                </ul>
            </Show>
        </div>
    }
}

#[component]
fn Check(mark: Mark, text: String, reason: String) -> impl IntoView {
    let reason = (!reason.is_empty()).then(|| view! { <span class="xs">{reason}</span> });
    view! {
        <li>
            <span class=format!("dot {}", mark.class())><Shape mark=Signal::stored(mark) /></span>
            <span>{text}{reason}</span>
        </li>
    }
}

#[component]
fn ConditionLine(condition: Condition) -> impl IntoView {
    let (mark, word) = match condition.status {
        ConditionStatus::True => (Mark::Healthy, ""),
        // What only some uses of volumes need does not make the node worse.
        ConditionStatus::False if !matches!(condition.kind.as_str(), "Ready" | "Schedulable") => (Mark::Idle, ": no"),
        ConditionStatus::False => (Mark::Faulted, ": no"),
        ConditionStatus::Unknown => (Mark::Progress, ": not known"),
    };
    // A condition that holds needs no explanation.
    let reason = match condition.status {
        ConditionStatus::True => String::new(),
        ConditionStatus::False | ConditionStatus::Unknown if condition.message.is_empty() => condition.reason.clone(),
        ConditionStatus::False | ConditionStatus::Unknown => condition.message.clone(),
    };
    view! { <Check mark text=format!("{}{word}", words::condition(&condition.kind)) reason /> }
}

#[component]
fn InstanceManagerLine(node: RwSignal<Arc<Node>>) -> impl IntoView {
    let live = Live::expect();
    let line = Memo::new(move |_| {
        let name = node.with(|node| node.name.clone());
        let manager = live.instance_managers.all().into_iter().find(|manager| manager.node_id == name)?;
        let running = (manager.instance_engines.len(), manager.instance_replicas.len());
        Some((manager.current_state.clone(), running))
    });
    move || {
        line.get().map(|(state, (engines, replicas))| {
            let text = format!("Instance manager {state}");
            let reason = format!("{}, {}", words::count(engines, "engine"), words::count(replicas, "replica"));
            view! { <Check mark=process_mark(&state) text reason /> }
        })
    }
}

#[component]
fn OfferLine(offer: FrontendOffer) -> impl IntoView {
    let mark = if offer.available { Mark::Healthy } else { Mark::Idle };
    let question = if offer.available { "What it is" } else { "Why not" };
    view! {
        <li>
            <span class=format!("dot {}", mark.class())><Shape mark=Signal::stored(mark) /></span>
            <details class="why-frontend">
                <summary>{words::frontend(&offer.kind).to_owned()}<span class="xs">{question}</span></summary>
                <p class="xs">{offer.reason}</p>
            </details>
        </li>
    }
}
