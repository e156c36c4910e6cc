//! One node: why → its disks → its replicas → what the machine can do → what happened there.

use std::sync::Arc;

use aurochs_api::node::Node;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::titled;
use crate::components::badge::Badge;
use crate::components::facts::{FactList, fact};
use crate::components::menu::Menu;
use crate::components::page::{PageHead, Section};
use crate::components::skeleton::Skeleton;
use crate::live::{Live, follow};
use crate::panels::node_card::{Disks, Reason, state};
use crate::panels::nodes::acts::Acts;
use crate::panels::nodes::figures::Figures;
use crate::panels::nodes::machine::{Conditions, Environment, Frontends};
use crate::panels::nodes::replicas::ReplicaTable;
use crate::panels::ops::happened::{Happened, JobsOf};
use crate::panels::ops::room::RoomOverTime;
use crate::role::may_write;
use crate::words::{fill, tr};

#[component]
pub(crate) fn NodePage() -> impl IntoView {
    let live = Live::expect();
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|params| params.get("name").unwrap_or_default()));
    titled(move || name.get());
    let found = Memo::new(move |_| live.nodes.get(&name.get()));
    let is_found = Memo::new(move |_| found.with(Option::is_some));
    let crumbs = || vec![("nodes", "Nodes")];
    view! {
        {move || match (live.loaded.get(), is_found.get()) {
            (false, _) => view! { <PageHead title=name crumbs=crumbs() /><section class="card"><Skeleton lines=8 /></section> }.into_any(),
            (true, false) => view! {
                <PageHead title=name crumbs=crumbs() />
                <section class="card empty">
                    <h2 class="title">{tr("There is no node of this name")}</h2>
                    <p class="dim">{tr("It may have been removed, or the address has a typing error.")}</p>
                    <div><a class="button" href="nodes">{tr("Show all nodes")}</a></div>
                </section>
            }.into_any(),
            (true, true) => view! { <Found name found /> }.into_any(),
        }}
    }
}

#[component]
fn Found(name: Memo<String>, found: Memo<Option<Arc<Node>>>) -> impl IntoView {
    let acts = Acts::expect();
    // The last state stays when the node goes while it is shown.
    let last = StoredValue::new(Arc::new(Node::default()));
    let node: Signal<Arc<Node>> = Memo::new(move |_| {
        if let Some(node) = found.get() {
            last.set_value(node);
        }
        last.get_value()
    })
    .into();
    let shown = Memo::new(move |_| node.with(|node| state(node)));
    let badge = move || view! { <Badge mark=Signal::derive(move || shown.get().0) text=Signal::derive(move || shown.get().1) /> };
    let entries = Callback::new(move |()| acts.of_node(&node.get_untracked()));
    let menu = move || {
        may_write().then(
            || view! { <Menu label=fill("Actions for {}", &[&name.get_untracked()]) text=tr("Actions") entries /> },
        )
    };
    let causes = Memo::new(move |_| node.with(|node| node.causes.clone()));
    let disks = Memo::new(move |_| node.with(|node| node.disks.values().cloned().collect::<Vec<_>>()));
    let events = follow("events");
    view! {
        <PageHead title=name crumbs=vec![("nodes", "Nodes")] note=badge actions=move || menu />
        <Show when=move || !causes.with(Vec::is_empty)>
            <section class="card" aria-label=tr("Why")>
                <ul class="reasons">{move || causes.get().into_iter().map(|cause| view! { <Reason cause /> }).collect_view()}</ul>
            </section>
        </Show>
        <div class="grid21">
            <div class="stack">
                <Section title="Disks">
                    {move || view! { <Figures disks=disks.get() /> }}
                    <Disks node />
                </Section>
                <RoomOverTime node=Signal::derive(move || node.with(|node| vec![(node.name.clone(), node.disks.keys().cloned().collect::<Vec<_>>())])) />
                <h2>{tr("Replicas")}</h2>
                <ReplicaTable id="node-replicas" node=name />
                <JobsOf wanted=Signal::derive(move || format!("v1/jobs?limit=8&node={}", crate::panels::ops::acts::encoded(&name.get()))) />
                <Happened events about=Signal::derive(move || name.get()) />
            </div>
            <div class="stack">
                <Section title="Conditions"><Conditions node /></Section>
                <Section title="Frontends"><Frontends node /></Section>
                <Section title="Machine"><Environment node /></Section>
                <Details node />
            </div>
        </div>
    }
}

#[component]
fn Details(node: Signal<Arc<Node>>) -> impl IntoView {
    let text = move |read: fn(&Node) -> String| fact(move || node.with(|node| read(node)));
    let pairs = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
    };
    let labels = move || node.with(|node| pairs(&node.labels));
    let facts = vec![
        ("Address", text(|node| node.address.clone())),
        ("Region", text(|node| node.region.clone())),
        ("Zone", text(|node| node.zone.clone())),
        ("Tags", text(|node| node.tags.join(", "))),
        ("Labels", fact(labels)),
        (
            "CPU request",
            text(|node| match node.instance_manager_cpu_request {
                0 => tr("as in the settings").to_owned(),
                cpu => format!("{cpu} m"),
            }),
        ),
    ];
    view! { <Section title="Details"><FactList facts /></Section> }
}
