//! One node in the list: a line to compare, and below it, when it is open, why it is not as wished, its disks and what the
//! machine can do.

use std::collections::BTreeSet;
use std::sync::Arc;

use aurochs_api::cause::Cause;
use aurochs_api::node::Node;
use leptos::prelude::*;

use super::disk::DiskPart;
use super::nodes::acts::Acts;
use super::nodes::figures::Figures;
use super::nodes::machine::{Conditions, Frontends};
use crate::clock;
use crate::components::badge::Badge;
use crate::components::menu::Menu;
use crate::components::places::Places;
use crate::live::Row;
use crate::role::may_write;
use crate::words::{self, Mark, fill, tr};

/// Which nodes are open, and which are selected.
#[derive(Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) open: RwSignal<BTreeSet<String>>,
    pub(crate) selected: RwSignal<BTreeSet<String>>,
}

impl Choice {
    fn toggle(set: RwSignal<BTreeSet<String>>, name: &str) {
        set.update(|set| {
            if !set.remove(name) {
                set.insert(name.to_owned());
            }
        });
    }
}

/// The one badge of a node.
pub(crate) fn state(node: &Node) -> (Mark, String) {
    let status = node.status();
    let mark = if node.eviction_requested || node.auto_evicting { Mark::Progress } else { status.into() };
    let word = match (node.eviction_requested, node.auto_evicting, node.cordoned) {
        (true, _, _) | (_, true, _) => tr("Being emptied").to_owned(),
        (_, _, true) => tr("Cordoned").to_owned(),
        _ => words::node_status(status).to_owned(),
    };
    (mark, word)
}

#[component]
pub(crate) fn NodeCard(row: Row<Node>, choice: Choice) -> impl IntoView {
    let node: Signal<Arc<Node>> = RwSignal::from(row).into();
    let name = node.with_untracked(|node| node.name.clone());
    let (of_open, of_label) = (name.clone(), name.clone());
    let is_open = Memo::new(move |_| choice.open.with(|open| open.contains(&of_open)));
    let causes = Memo::new(move |_| node.with(|node| node.causes.clone()));
    view! {
        <section class="card node-card" aria-label=of_label data-testid=format!("node-{name}")>
            <Line node choice is_open />
            <ul class="reasons">
                {move || causes.get().into_iter().map(|cause| view! { <Reason cause /> }).collect_view()}
            </ul>
            {move || is_open.get().then(|| view! { <Inside node /> })}
        </section>
    }
}

#[component]
fn Line(node: Signal<Arc<Node>>, choice: Choice, is_open: Memo<bool>) -> impl IntoView {
    let acts = Acts::expect();
    let name = node.with_untracked(|node| node.name.clone());
    let (picked, opened, href) = (name.clone(), name.clone(), format!("nodes/{name}"));
    let state = Memo::new(move |_| node.with(|node| state(node)));
    let about = move || {
        node.with(|node| {
            let zone = if node.zone.is_empty() { String::new() } else { fill("zone {}", &[&node.zone]) };
            let parts = [node.address.clone(), node.region.clone(), zone];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
        })
    };
    let tags = move || {
        node.with(|node| node.tags.iter().map(|tag| view! { <span class="tag">{tag.clone()}</span> }).collect_view())
    };
    let disks = Memo::new(move |_| node.with(|node| node.disks.values().cloned().collect::<Vec<_>>()));
    let replicas = move || disks.with(|disks| disks.iter().map(|disk| disk.scheduled_replica.len()).sum::<usize>());
    let entries = Callback::new(move |()| acts.of_node(&node.get_untracked()));
    let select = {
        let is_picked = picked.clone();
        let label = fill("Select {}", &[&picked]);
        move || {
            let (name, is_picked) = (picked.clone(), is_picked.clone());
            may_write().then(|| {
                view! {
                    <input type="checkbox" aria-label=label.clone()
                        prop:checked=move || choice.selected.with(|selected| selected.contains(&is_picked))
                        on:change=move |_| Choice::toggle(choice.selected, &name) />
                }
            })
        }
    };
    let menu_label = fill("Actions for {}", &[&name]);
    let more = fill("Disks of {}", &[&name]);
    view! {
        <div class="node-line">
            <div class="head">
                {select}
                <button type="button" class="ghost square fold" aria-expanded=move || is_open.get().to_string() aria-label=more on:click=move |_| Choice::toggle(choice.open, &opened)>
                    <svg class="icon" viewBox="0 0 16 16" stroke-width="1.6" aria-hidden="true"><path d="M4 6l4 4 4-4" /></svg>
                </button>
                <h2 class="title"><a href=href>{name}</a></h2>
                <Badge mark=Signal::derive(move || state.get().0) text=Signal::derive(move || state.get().1) />
                <span class="dim about">{about}</span>
                {tags}
            </div>
            <span class="num replicas"><span class="xs">{tr("Replicas")}" "</span>{replicas}</span>
            {move || view! { <Figures disks=disks.get() /> }}
            <span class="act">{move || may_write().then(|| view! { <Menu label=menu_label.clone() entries /> })}</span>
        </div>
    }
}

#[component]
fn Inside(node: Signal<Arc<Node>>) -> impl IntoView {
    view! {
        <div class="node-columns">
            <div class="abilities">
                <h3>{tr("Conditions")}</h3>
                <Conditions node />
                <h3>{tr("Frontends")}</h3>
                <Frontends node />
            </div>
            <Disks node />
        </div>
    }
}

/// All disks of a node.
#[component]
pub(crate) fn Disks(node: Signal<Arc<Node>>) -> impl IntoView {
    let names = Memo::new(move |_| node.with(|node| node.disks.keys().cloned().collect::<Vec<_>>()));
    view! {
        <div class="disks">
            <For each=move || names.get() key=String::clone children=move |name| view! { <DiskPart node name /> } />
            {move || names.with(Vec::is_empty).then(|| view! { <p class="dim">{tr("No disk. Add one, and replicas can be placed here.")}</p> })}
        </div>
    }
}

#[component]
pub(crate) fn Reason(cause: Cause) -> impl IntoView {
    let class = Mark::of(&cause).class();
    view! {
        <li class=class>
            {clock::localized(&cause.message)}" "<span class="dim">{clock::localized(&cause.next_step)}</span>
            <Places details=cause.details />
        </li>
    }
}
