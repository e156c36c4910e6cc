//! All nodes with their disks.

use leptos::prelude::*;

use super::titled;
use crate::components::skeleton::Skeleton;
use crate::live::Live;
use crate::model::filter::natural;
use crate::panels::node_card::NodeCard;
use crate::words;

#[component]
pub(crate) fn NodesPage() -> impl IntoView {
    let live = Live::expect();
    titled(|| words::tr("Nodes").to_owned());
    let names = Memo::new(move |_| {
        let mut names: Vec<String> = live.nodes.all().iter().map(|node| node.name.clone()).collect();
        names.sort_by(|a, b| natural(a, b));
        names
    });
    let card = move |name: String| live.nodes.row(&name).map(|row| view! { <NodeCard row /> });
    let none = || view! { <section class="card"><p class="calm dim">"No node has reported yet. It appears here as soon as its instance manager answers."</p></section> };
    view! {
        <div class="head">
            <h1>"Nodes"</h1>
            <span class="dim">{move || live.loaded.get().then(|| words::grouped(live.nodes.len()))}</span>
        </div>
        <Show when=move || live.loaded.get() fallback=|| view! { <section class="card"><Skeleton lines=8 /></section> }>
            <Show when=move || !names.with(Vec::is_empty) fallback=none>
                <div class="stack"><For each=move || names.get() key=Clone::clone children=card /></div>
            </Show>
        </Show>
    }
}
