//! Attach one or several volumes to a node.

use aurochs_api::node::{Node, NodeStatus};
use leptos::prelude::*;
use serde_json::json;

use super::batch::{act, subject};
use crate::components::call::Call;
use crate::components::dialog::Dialog;
use crate::dialogs::Questions;
use crate::live::Live;
use crate::notices::Notices;
use crate::words::{self, fill, tr};

pub(super) fn ask(names: Vec<String>) {
    Questions::expect().open(Callback::new(move |()| {
        let volumes = names.clone();
        view! { <AttachDialog volumes /> }.into_any()
    }));
}

/// Whether volumes can be attached to a node. A node without room for replicas still runs engines.
fn can_run(node: &Node) -> bool {
    match node.status() {
        NodeStatus::Schedulable | NodeStatus::Unschedulable | NodeStatus::Disabled => true,
        NodeStatus::Down | NodeStatus::Unknown => false,
    }
}

#[component]
fn AttachDialog(volumes: Vec<String>) -> impl IntoView {
    let live = Live::expect();
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let names = RwSignal::new(volumes);
    let first_able = untrack(|| live.nodes.all()).into_iter().find(|node| can_run(node)).map(|node| node.name.clone());
    let node = RwSignal::new(first_able.unwrap_or_default());
    let maintenance = RwSignal::new(false);
    let call = Call::new();
    let answer = Callback::new(move |()| {
        let (target, maintenance) = (node.get_untracked(), maintenance.get_untracked());
        let what = names.with_untracked(|names| subject(names));
        let to = target.clone();
        let attach = move |volume: String| {
            let body = json!({ "hostId": target, "disableFrontend": maintenance });
            async move { act(&volume, "attach", &body).await }
        };
        call.run_for_each(names, attach, move |_| {
            notices.done(fill("Attaching {} to {}.", &[&what, &to]));
            questions.close();
        });
    });
    view! {
        <Dialog
            title=Signal::derive(move || fill("Attach {}", &[&names.with(|names| subject(names))]))
            answer=tr("Attach")
            ready=Signal::derive(move || !node.get().is_empty())
            call
            on_answer=answer
            on_close=Callback::new(move |()| questions.close())
        >
            <fieldset class="field">
                <legend>{tr("Node")}</legend>
                <div class="choices">
                    {move || live.nodes.all().into_iter().map(|shape| view! { <NodeChoice shape chosen=node /> }).collect_view()}
                </div>
            </fieldset>
            <label class="check">
                <input type="checkbox" name="maintenance" bind:checked=maintenance />
                <span>
                    {tr("Maintenance mode")}
                    <span class="hint">
                        {tr("The engine runs, but no device is offered, so nobody writes. Needed for going back to a snapshot.")}
                    </span>
                </span>
            </label>
        </Dialog>
    }
}

#[component]
fn NodeChoice(shape: std::sync::Arc<Node>, chosen: RwSignal<String>) -> impl IntoView {
    let name = shape.name.clone();
    let able = can_run(&shape);
    let note = if able {
        shape.address.clone()
    } else {
        fill("{}: can't run volumes now", &[&words::node_status(shape.status())])
    };
    let (this, value) = (name.clone(), name.clone());
    view! {
        <label class="choice" class:off=!able>
            <input
                type="radio"
                name="node"
                value=value
                disabled=!able
                prop:checked=move || chosen.get() == this
                on:change=move |_| chosen.set(name.clone())
            />
            <span>{shape.name.clone()}<span class="xs">{note}</span></span>
        </label>
    }
}
