//! All nodes with their disks: filtered, opened, changed one by one or together.

use std::collections::BTreeSet;

use aurochs_api::node::Node;
use leptos::prelude::*;

use super::titled;
use crate::components::menu::Entry;
use crate::components::page::PageHead;
use crate::components::skeleton::Skeleton;
use crate::dialogs::outlive;
use crate::live::Live;
use crate::model::filter::natural;
use crate::model::order::put_in_order;
use crate::panels::asked::{AskChoice, AskText, asked};
use crate::panels::node_card::{Choice, NodeCard};
use crate::panels::nodes::acts::Acts;
use crate::words::{self, fill, node_key, tr};

/// As many show all they have from the beginning.
const OPEN_AT_FIRST: usize = 4;

/// Whether a node is asked for. Empty texts ask for nothing.
fn is_asked(node: &Node, text: &str, status: &str, node_tag: &str, disk_tag: &str) -> bool {
    let text = text.trim().to_lowercase();
    let evicting = node.auto_evicting || node.eviction_requested;
    (text.is_empty() || node.name.to_lowercase().contains(&text) || node.address.contains(&text))
        && (status.is_empty() || (status == "evicting" && evicting) || status == node_key(node.status()))
        && (node_tag.is_empty() || node.tags.iter().any(|tag| tag == node_tag))
        && (disk_tag.is_empty() || node.disks.values().any(|disk| disk.tags.iter().any(|tag| tag == disk_tag)))
}

#[component]
pub(crate) fn NodesPage() -> impl IntoView {
    let live = Live::expect();
    titled(|| tr("Nodes").to_owned());
    let (text, status, node_tag, disk_tag) = (asked("q"), asked("status"), asked("tag"), asked("disktag"));
    let names = Memo::new(move |_| {
        let nodes = live.nodes.all();
        let shown = nodes.iter().filter(|node| {
            text.with(|text| {
                status.with(|status| {
                    node_tag.with(|node_tag| disk_tag.with(|disk_tag| is_asked(node, text, status, node_tag, disk_tag)))
                })
            })
        });
        let mut names: Vec<String> = shown.map(|node| node.name.clone()).collect();
        put_in_order(&mut names, &|a, b| natural(a, b));
        names
    });
    let choice = Choice { open: RwSignal::new(BTreeSet::new()), selected: RwSignal::new(BTreeSet::new()) };
    open_few(live, choice);
    let all_open =
        Memo::new(move |_| names.with(|names| choice.open.with(|open| names.iter().all(|name| open.contains(name)))));
    let fold = move |_| {
        choice.open.set(if all_open.get_untracked() {
            BTreeSet::new()
        } else {
            names.get_untracked().into_iter().collect()
        })
    };
    let card = move |name: String| live.nodes.row(&name).map(|row| view! { <NodeCard row choice /> });
    let none = move || {
        let text = if live.nodes.len() == 0 {
            tr("No node has reported yet. It appears here as soon as its instance manager answers.")
        } else {
            tr("No node matches the filters.")
        };
        view! { <section class="card"><p class="calm dim">{text}</p></section> }
    };
    let fold_button = move || view! { <button type="button" on:click=fold>{move || if all_open.get() { tr("Collapse all") } else { tr("Expand all") }}</button> };
    view! {
        <PageHead
            title=tr("Nodes")
            note=move || view! { <span class="dim">{move || live.loaded.get().then(|| words::grouped(live.nodes.len()))}</span> }
            actions=fold_button
        />
        <Show when=move || live.loaded.get() fallback=|| view! { <section class="card"><Skeleton lines=8 /></section> }>
            <Asks live />
            <Selected choice />
            <Show when=move || !names.with(Vec::is_empty) fallback=none>
                <div class="stack"><For each=move || names.get() key=Clone::clone children=card /></div>
            </Show>
        </Show>
    }
}

/// A handful of nodes needs no click.
fn open_few(live: Live, choice: Choice) {
    Effect::new(move |done: Option<bool>| {
        if done == Some(true) || !live.loaded.get() {
            return done.unwrap_or_default();
        }
        let names: BTreeSet<String> = live.nodes.all().iter().map(|node| node.name.clone()).collect();
        // On a phone the second one would be pages away.
        let narrow = window().match_media("(max-width: 760px)").ok().flatten().is_some_and(|query| query.matches());
        if names.len() <= OPEN_AT_FIRST && !narrow {
            choice.open.set(names);
        }
        true
    });
}

#[component]
fn Asks(live: Live) -> impl IntoView {
    let pair = |word: String| (word.clone(), word);
    let tags = Memo::new(move |_| live.nodes.all().iter().flat_map(|node| node.tags.clone()).collect::<BTreeSet<_>>());
    let disk_tags = Memo::new(move |_| {
        let nodes = live.nodes.all();
        nodes.iter().flat_map(|node| node.disks.values().flat_map(|disk| disk.tags.clone())).collect::<BTreeSet<_>>()
    });
    let states: Vec<(String, String)> = vec![
        ("schedulable".to_owned(), tr("Schedulable").to_owned()),
        ("unschedulable".to_owned(), tr("Unschedulable").to_owned()),
        ("evicting".to_owned(), tr("Being emptied").to_owned()),
        ("disabled".to_owned(), tr("Disabled").to_owned()),
        ("down".to_owned(), tr("Down").to_owned()),
    ];
    view! {
        <div class="asks">
            <AskText key="q" label=tr("Name or address") at_once=true />
            <AskChoice key="status" label=tr("Status") choices=states />
            <Show when=move || !tags.with(BTreeSet::is_empty)>
                <AskChoice key="tag" label=tr("Node tag") choices=Signal::derive(move || tags.get().into_iter().map(pair).collect()) />
            </Show>
            <Show when=move || !disk_tags.with(BTreeSet::is_empty)>
                <AskChoice key="disktag" label=tr("Disk tag") choices=Signal::derive(move || disk_tags.get().into_iter().map(pair).collect()) />
            </Show>
        </div>
    }
}

/// What can be done with the selected nodes together.
#[component]
fn Selected(choice: Choice) -> impl IntoView {
    let acts = Acts::expect();
    let entries = move || acts.of_nodes(&choice.selected.get().into_iter().collect::<Vec<_>>());
    let button = |entry: Entry| {
        view! {
            <button type="button" disabled=entry.refusal.is_some() title=entry.refusal on:click=move |_| outlive(|| entry.choose.run(()))>{entry.label}</button>
        }
    };
    let chosen = Memo::new(move |_| choice.selected.with(BTreeSet::len));
    view! {
        <div class="bulk" class:empty=move || chosen.get() == 0 role="toolbar" aria-label=tr("Selected nodes")>
            <strong>{move || fill("{} selected", &[&chosen.get()])}</strong>
            {move || (chosen.get() > 0).then(|| entries().into_iter().map(button).collect_view())}
            <button type="button" class="clear" on:click=move |_| choice.selected.set(BTreeSet::new())>{tr("Clear")}</button>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::node::Disk;

    use super::*;

    #[test]
    fn filters_go_together() {
        let disk = Disk { tags: vec!["ssd".into()], ..Disk::default() };
        let node = Node {
            name: "Node-1".into(),
            address: "10.0.0.7".into(),
            tags: vec!["edge".into()],
            eviction_requested: true,
            disks: [("d".to_owned(), disk)].into(),
            ..Node::default()
        };
        for (asked, expected) in [
            (["", "", "", ""], true),
            (["node", "evicting", "edge", "ssd"], true),
            (["0.7", "unknown", "", ""], true),
            (["node-2", "", "", ""], false),
            (["", "down", "", ""], false),
            (["", "", "ssd", ""], false),
            (["", "", "", "edge"], false),
        ] {
            assert_eq!(is_asked(&node, asked[0], asked[1], asked[2], asked[3]), expected, "{asked:?}");
        }
    }
}
