//! The copies of a volume, on their nodes.

use std::sync::Arc;

use aurochs_api::size::ByteSize;
use aurochs_api::volume::Volume;
use leptos::prelude::*;

use crate::components::badge::Badge;
use crate::components::bar::Progress;
use crate::live::Live;
use crate::model::replicas::{ReplicaPhase, ReplicaView, usable};
use crate::words;
use crate::words::Mark;

#[component]
pub(crate) fn ReplicasPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let nodes = Memo::new(move |_| volume.get().map(|volume| ReplicaView::by_node(&volume)).unwrap_or_default());
    let summary = Memo::new(move |_| volume.get().map(|volume| usable(&volume)));
    let actual = Memo::new(move |_| volume.get().map(|volume| volume.actual_size()).unwrap_or_default());
    let keys = move || nodes.with(|nodes| nodes.iter().map(|(node, _)| node.clone()).collect::<Vec<_>>());
    let card = move |node: String| {
        let of_node = node.clone();
        let views = Memo::new(move |_| {
            nodes.with(|nodes| {
                nodes.iter().find(|(name, _)| *name == of_node).map(|(_, views)| views.clone()).unwrap_or_default()
            })
        });
        view! { <NodeBox node views actual /> }
    };
    view! {
        <section class="card" aria-labelledby="replicas-title" data-testid="replicas">
            <div class="head">
                <h2 id="replicas-title">"Replicas"</h2>
                <span class="xs">{move || summary.get().map(|(usable, wished)| words::of(usable, wished))}</span>
            </div>
            <div class="nodes">
                <For each=keys key=Clone::clone children=card />
            </div>
        </section>
    }
}

#[component]
fn NodeBox(node: String, views: Memo<Vec<ReplicaView>>, actual: Memo<ByteSize>) -> impl IntoView {
    let live = Live::expect();
    let name = node.clone();
    let zone = move || live.nodes.get(&name).map(|node| node.zone.clone()).filter(|zone| !zone.is_empty());
    let title = if node.is_empty() { "Not placed yet".to_owned() } else { node };
    view! {
        <div class="node">
            <div class="head">
                <strong>{title}</strong>
                <span class="xs">{move || zone().map(|zone| format!("zone {zone}"))}</span>
            </div>
            {move || views.get().into_iter().map(|view| view! { <OneReplica view actual /> }).collect_view()}
        </div>
    }
}

#[component]
fn OneReplica(view: ReplicaView, actual: Memo<ByteSize>) -> impl IntoView {
    let ReplicaView { replica, phase, rebuild } = view;
    let mark = Mark::from(phase);
    let disk = if replica.disk_path.is_empty() { replica.disk_id.clone() } else { replica.disk_path.clone() };
    let holds = move || match phase {
        ReplicaPhase::Healthy => Some(actual.get()).filter(|size| size.bytes() > 0).map(|size| size.to_string()),
        ReplicaPhase::Rebuilding | ReplicaPhase::Failed | ReplicaPhase::Stopped | ReplicaPhase::Starting => None,
    };
    let progress = rebuild.map(|rebuild| {
        let from =
            if rebuild.from.is_empty() { String::new() } else { format!(" · from {}", rebuild.from.join(", ")) };
        view! {
            <Progress percent=Signal::stored(rebuild.percent) label=format!("Rebuild of {}", rebuild.replica) />
            <div class="xs">{rebuild.percent}" %"{from}</div>
        }
    });
    view! {
        <div class=format!("replica edge-{}", mark.class()) title=replica.name.clone()>
            <div class="head">
                <Badge mark=Signal::stored(mark) text=words::replica_phase(phase).to_owned() />
                <span class="xs num">{holds}</span>
            </div>
            {progress}
            <div class="xs path" title=replica.data_path.clone()>{disk}</div>
        </div>
    }
}
