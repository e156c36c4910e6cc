//! What a machine can do for volumes: conditions, its instance manager, frontends, what is there and what lacks.

use std::sync::Arc;

use aurochs_api::cause::Severity;
use aurochs_api::condition::{Condition, ConditionStatus};
use aurochs_api::node::{EnvironmentItem, FrontendOffer, Node};
use leptos::prelude::*;

use crate::clock;
use crate::components::badge::Shape;
use crate::live::Live;
use crate::model::order::put_in_order;
use crate::words::{self, Mark, fill, process_mark, process_state, told, tr};

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

/// Conditions and instance manager, one line each with the reason where something is missing.
#[component]
pub(crate) fn Conditions(node: Signal<Arc<Node>>) -> impl IntoView {
    let conditions = Memo::new(move |_| node.with(|node| node.conditions.values().cloned().collect::<Vec<_>>()));
    view! {
        <ul class="checks">
            {move || conditions.get().into_iter().map(|condition| view! { <ConditionLine condition /> }).collect_view()}
            <InstanceManagerLine node />
        </ul>
    }
}

#[component]
fn ConditionLine(condition: Condition) -> impl IntoView {
    let name = words::condition(&condition.kind);
    let (mark, text) = match condition.status {
        ConditionStatus::True => (Mark::Healthy, name.to_owned()),
        // What only some uses of volumes need does not make the node worse.
        ConditionStatus::False if !matches!(condition.kind.as_str(), "Ready" | "Schedulable") => {
            (Mark::Idle, fill("{}: no", &[&name]))
        }
        ConditionStatus::False => (Mark::Faulted, fill("{}: no", &[&name])),
        ConditionStatus::Unknown => (Mark::Progress, fill("{}: not known", &[&name])),
    };
    // A condition that holds needs no explanation.
    let reason = match condition.status {
        ConditionStatus::True => String::new(),
        ConditionStatus::False | ConditionStatus::Unknown if condition.message.is_empty() => told(&condition.reason),
        ConditionStatus::False | ConditionStatus::Unknown => clock::localized(&condition.message),
    };
    view! { <Check mark text reason /> }
}

#[component]
fn InstanceManagerLine(node: Signal<Arc<Node>>) -> impl IntoView {
    let live = Live::expect();
    let line = Memo::new(move |_| {
        let name = node.with(|node| node.name.clone());
        let manager = live.instance_managers.all().into_iter().find(|manager| manager.node_id == name)?;
        let running = (manager.instance_engines.len(), manager.instance_replicas.len());
        Some((manager.current_state.clone(), running))
    });
    move || {
        line.get().map(|(state, (engines, replicas))| {
            let text = fill("Instance manager: {}", &[&process_state(&state)]);
            let reason = format!("{} · {}", words::count(engines, "engine"), words::count(replicas, "replica"));
            view! { <Check mark=process_mark(&state) text reason /> }
        })
    }
}

#[component]
pub(crate) fn Frontends(node: Signal<Arc<Node>>) -> impl IntoView {
    let offers = Memo::new(move |_| node.with(|node| node.frontends.clone()));
    view! {
        <ul class="checks">
            {move || offers.get().into_iter().map(|offer| view! { <OfferLine offer /> }).collect_view()}
        </ul>
    }
}

#[component]
fn OfferLine(offer: FrontendOffer) -> impl IntoView {
    let mark = if offer.available { Mark::Healthy } else { Mark::Idle };
    let question = if offer.available { tr("What it is") } else { tr("Why not") };
    view! {
        <li>
            <span class=format!("dot {}", mark.class())><Shape mark=Signal::stored(mark) /></span>
            <details class="why-frontend">
                <summary>{words::frontend(&offer.kind).to_owned()}<span class="xs">{question}</span></summary>
                <p class="xs">{told(&offer.reason)}</p>
            </details>
        </li>
    }
}

/// What was looked at on the machine; what lacks something first, with what to do.
#[component]
pub(crate) fn Environment(node: Signal<Arc<Node>>) -> impl IntoView {
    let items = Memo::new(move |_| {
        let mut items = node.with(|node| node.environment.clone());
        put_in_order(&mut items, &|a, b| a.ok.cmp(&b.ok).then(b.severity.cmp(&a.severity)));
        items
    });
    let line = |item: EnvironmentItem| {
        let mark = match (item.ok, item.severity) {
            (true, _) => Mark::Healthy,
            (false, Severity::Info) => Mark::Idle,
            (false, severity) => severity.into(),
        };
        let reason = if item.ok { String::new() } else { told(&item.remedy) };
        view! { <Check mark text=format!("{}: {}", item.name, told(&item.message)) reason /> }
    };
    view! { <ul class="checks">{move || items.get().into_iter().map(line).collect_view()}</ul> }
}
