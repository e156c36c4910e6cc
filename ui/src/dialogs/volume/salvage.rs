//! Go on with replicas that are not known to be whole: the last thing to try.

use std::sync::Arc;

use aurochs_api::condition::{ConditionMap, ConditionStatus};
use aurochs_api::node::Node;
use aurochs_api::replica::Replica;
use leptos::prelude::*;
use serde_json::json;

use super::batch::act;
use crate::clock;
use crate::components::call::Call;
use crate::components::dialog::{Dialog, Tone};
use crate::dialogs::Questions;
use crate::live::Live;
use crate::notices::Notices;
use crate::words::{self, fill, tr};

pub(super) fn ask(names: Vec<String>) {
    let Some(volume) = names.into_iter().next() else { return };
    Questions::expect().open(Callback::new(move |()| {
        let volume = volume.clone();
        view! { <SalvageDialog volume /> }.into_any()
    }));
}

/// Why a replica can't be gone on with, as far as the nodes tell.
fn obstacle(replica: &Replica, nodes: &[Arc<Node>]) -> Option<String> {
    if replica.host_id.is_empty() {
        return Some(tr("never had a place").to_owned());
    }
    let Some(node) = nodes.iter().find(|node| node.name == replica.host_id) else {
        return Some(fill("{} is no node any more", &[&replica.host_id]));
    };
    if !is_ready(&node.conditions) {
        return Some(fill("{} does not answer", &[&node.name]));
    }
    let disk = node.disks.iter().find(|(_, disk)| disk.disk_uuid == replica.disk_id);
    match disk {
        None => Some(fill("its disk is not on {} any more", &[&node.name])),
        Some((name, disk)) if !is_ready(&disk.conditions) => Some(fill("disk {} is not ready", &[name])),
        Some((name, disk)) if !disk.allow_scheduling => Some(fill("scheduling is switched off for disk {}", &[name])),
        Some(_) => None,
    }
}

fn is_ready(conditions: &ConditionMap) -> bool {
    conditions.get("Ready").is_some_and(|condition| condition.status == ConditionStatus::True)
}

#[component]
fn SalvageDialog(volume: String) -> impl IntoView {
    let live = Live::expect();
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let call = Call::new();
    let name = StoredValue::new(volume.clone());
    let chosen = RwSignal::new(Vec::<String>::new());
    let sure = RwSignal::new(false);
    let why = move || {
        let volume = name.with_value(|name| live.volumes.get(name))?;
        volume.causes.first().map(|cause| clock::localized(&cause.message))
    };
    let choices = move || {
        let nodes = live.nodes.all();
        let volume = name.with_value(|name| live.volumes.get(name));
        let replicas = volume.map(|volume| volume.replicas.clone());
        let choice = |replica: Replica| {
            let obstacle = obstacle(&replica, &nodes);
            view! { <ReplicaChoice replica obstacle chosen /> }
        };
        replicas.unwrap_or_default().into_iter().map(choice).collect_view()
    };
    let answer = Callback::new(move |()| {
        let (volume, chosen) = (name.get_value(), chosen.get_untracked());
        let done = fill("{} goes on with {}.", &[&volume, &words::names(&chosen, 3)]);
        let body = json!({ "names": chosen });
        call.run(async move { act(&volume, "salvage", &body).await }, move |()| {
            notices.done(done);
            questions.close();
        });
    });
    view! {
        <Dialog
            title=fill("Salvage {}", &[&volume])
            answer=tr("Salvage")
            tone=Tone::Danger
            ready=Signal::derive(move || sure.get() && !chosen.with(Vec::is_empty))
            call
            on_answer=answer
            on_close=Callback::new(move |()| questions.close())
        >
            <p>{why}</p>
            <p class="dim">
                {tr("The newest of the chosen replicas becomes the volume, and the others are rebuilt from it. If a replica with all data turns up after all before it begins, that one is used.")}
            </p>
            <fieldset class="field">
                <legend>{tr("Replicas to go on with")}</legend>
                <div class="choices">{choices}</div>
            </fieldset>
            <label class="check">
                <input type="checkbox" name="sure" bind:checked=sure />
                <span>
                    {tr("What was written after these replicas left the volume may be lost")}
                    <span class="hint">{tr("Bring the missing nodes or disks back instead, if that can be done.")}</span>
                </span>
            </label>
        </Dialog>
    }
}

#[component]
fn ReplicaChoice(replica: Replica, obstacle: Option<String>, chosen: RwSignal<Vec<String>>) -> impl IntoView {
    let able = obstacle.is_none();
    let note = obstacle.unwrap_or_else(|| match replica.failed_at.as_str() {
        "" => fill("on {}", &[&replica.host_id]),
        at => fill("on {}, failed {}", &[&replica.host_id, &clock::localized(at)]),
    });
    let (name, this) = (replica.name.clone(), replica.name.clone());
    let toggle = move |_| {
        chosen.update(|chosen| {
            if chosen.contains(&this) {
                chosen.retain(|other| *other != this);
            } else {
                chosen.push(this.clone());
            }
        });
    };
    view! {
        <label class="choice" class:off=!able>
            <input type="checkbox" name="replica" value=name.clone() disabled=!able on:change=toggle />
            <span>{name}<span class="xs">{note}</span></span>
        </label>
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::condition::Condition;
    use aurochs_api::node::Disk;

    use super::*;

    #[test]
    fn a_replica_that_cannot_be_chosen_says_why() {
        let ready = |is: bool| {
            let status = if is { ConditionStatus::True } else { ConditionStatus::False };
            [("Ready".to_owned(), Condition { status, ..Condition::default() })].into()
        };
        let node = |node_ready, disk_ready, allow_scheduling| {
            let disk =
                Disk { disk_uuid: "u".into(), conditions: ready(disk_ready), allow_scheduling, ..Disk::default() };
            let disks = [("d".to_owned(), disk)].into();
            vec![Arc::new(Node { name: "n".into(), conditions: ready(node_ready), disks, ..Node::default() })]
        };
        let replica =
            |node: &str, disk: &str| Replica { host_id: node.into(), disk_id: disk.into(), ..Replica::default() };
        for (replica, nodes, expected) in [
            (replica("n", "u"), node(true, true, true), None),
            (replica("", ""), node(true, true, true), Some("never had")),
            (replica("m", "u"), node(true, true, true), Some("no node")),
            (replica("n", "u"), node(false, true, true), Some("does not answer")),
            (replica("n", "v"), node(true, true, true), Some("not on n any more")),
            (replica("n", "u"), node(true, false, true), Some("not ready")),
            (replica("n", "u"), node(true, true, false), Some("switched off")),
        ] {
            let found = obstacle(&replica, &nodes);
            assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
    }
}
