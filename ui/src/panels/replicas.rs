//! The copies of a volume, on their nodes and disks.

use std::sync::Arc;

use aurochs_api::cause::Cause;
use aurochs_api::node::Node;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::Volume;
use leptos::prelude::*;

use crate::clock;
use crate::components::badge::Badge;
use crate::components::bar::Progress;
use crate::components::menu::{Entry, Menu};
use crate::components::when::When;
use crate::dialogs;
use crate::live::Live;
use crate::model::rebuild::is_replica;
use crate::model::replicas::{ReplicaPhase, ReplicaView, usable};
use crate::role::may_write;
use crate::words::{self, Mark, fill, tr};

#[component]
pub(crate) fn ReplicasPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let nodes = Memo::new(move |_| volume.get().map(|volume| ReplicaView::by_node(&volume)).unwrap_or_default());
    let summary = Memo::new(move |_| volume.get().map(|volume| usable(&volume)));
    let keys = move || nodes.with(|nodes| nodes.iter().map(|(node, _)| node.clone()).collect::<Vec<_>>());
    let card = move |node: String| {
        let of_node = node.clone();
        let views = Memo::new(move |_| {
            nodes.with(|nodes| {
                nodes.iter().find(|(name, _)| *name == of_node).map(|(_, views)| views.clone()).unwrap_or_default()
            })
        });
        view! { <NodeBox node views volume /> }
    };
    view! {
        <section class="card" aria-labelledby="replicas-title" data-testid="replicas">
            <div class="head">
                <h2 id="replicas-title">{tr("Replicas")}</h2>
                <span class="xs">{move || summary.get().map(|(usable, wished)| words::of(usable, wished))}</span>
            </div>
            <div class="nodes">
                <For each=keys key=Clone::clone children=card />
            </div>
        </section>
    }
}

#[component]
fn NodeBox(node: String, views: Memo<Vec<ReplicaView>>, volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let live = Live::expect();
    let name = StoredValue::new(node.clone());
    let shape = Memo::new(move |_| live.nodes.get(&name.get_value()));
    let place = move || shape.get().map(|node| place_of(&node)).filter(|place| !place.is_empty());
    let is_here = move || volume.get().is_some_and(|volume| !node.is_empty() && volume.node() == node);
    let title = move || match name.get_value() {
        name if name.is_empty() => view! { <strong>{tr("Not placed yet")}</strong> }.into_any(),
        name => view! { <a href=format!("nodes/{name}")><strong>{name.clone()}</strong></a> }.into_any(),
    };
    let keys = move || views.with(|views| views.iter().map(|view| view.replica.name.clone()).collect::<Vec<_>>());
    let replica = move |name: String| {
        let view = Memo::new(move |_| views.with(|views| views.iter().find(|view| view.replica.name == name).cloned()));
        view! { <OneReplica view volume node=shape /> }
    };
    view! {
        <div class="node">
            <div class="head">
                {title()}
                <span class="xs">{place}</span>
                {move || is_here().then(|| view! { <span class="tag">{tr("in use here")}</span> })}
            </div>
            <For each=keys key=Clone::clone children=replica />
        </div>
    }
}

fn place_of(node: &Node) -> String {
    let parts = [node.region.as_str(), node.zone.as_str()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { fill("zone {}", &[&parts.join(" / ")]) }
}

#[component]
fn OneReplica(
    view: Memo<Option<ReplicaView>>,
    volume: Memo<Option<Arc<Volume>>>,
    node: Memo<Option<Arc<Node>>>,
) -> impl IntoView {
    let name = view.with_untracked(|view| view.as_ref().map(|view| view.replica.name.clone())).unwrap_or_default();
    let phase = Memo::new(move |_| view.with(|view| view.as_ref().map_or(ReplicaPhase::Starting, |view| view.phase)));
    let holds = move || {
        let actual = volume.get().map(|volume| volume.actual_size())?;
        (phase.get() == ReplicaPhase::Healthy && actual > ByteSize::ZERO).then(|| actual.to_string())
    };
    let disk = move || view.get().map(|view| disk_of(&view, node.get().as_deref())).unwrap_or_default();
    let path = move || view.get().map(|view| view.replica.data_path).unwrap_or_default();
    let failed = move || view.get().map(|view| view.replica.failed_at).filter(|at| !at.is_empty());
    let of = name.clone();
    let reasons = Memo::new(move |_| volume.get().map(|volume| reasons(&volume, &of)).unwrap_or_default());
    view! {
        <div class=move || format!("replica edge-{}", Mark::from(phase.get()).class()) title=name.clone()>
            <div class="head">
                <Badge mark=Signal::derive(move || phase.get().into()) text=Signal::derive(move || words::replica_phase(phase.get()).to_owned()) />
                <span class="xs num">{holds}</span>
                <ReplicaMenu name=name.clone() volume />
            </div>
            <Work view volume />
            {move || failed().map(|at| view! { <div class="xs">{tr("Failed")}" "<When text=Signal::stored(at) /></div> })}
            {move || reasons.get().into_iter().map(|cause| {
                let message = clock::localized(&cause.message);
                view! { <div class="xs reason" title=message.clone()>{message.clone()}</div> }
            }).collect_view()}
            <div class="xs path" title=path>{disk}</div>
        </div>
    }
}

/// Name of the disk and its path, as far as they are known.
fn disk_of(view: &ReplicaView, node: Option<&Node>) -> String {
    let replica = &view.replica;
    let disk = node.and_then(|node| node.disks.iter().find(|(_, disk)| disk.disk_uuid == replica.disk_id));
    let path = if replica.disk_path.is_empty() { &replica.disk_id } else { &replica.disk_path };
    disk.map_or_else(|| path.clone(), |(name, _)| format!("{name} · {path}"))
}

/// What the volume says about this replica.
fn reasons(volume: &Volume, replica: &str) -> Vec<Cause> {
    volume.causes.iter().filter(|cause| cause.objects.iter().any(|object| object == replica)).cloned().collect()
}

/// What is done to it: percent, and words.
fn work(view: &ReplicaView, volume: &Volume) -> Option<(u32, String)> {
    let replica = &view.replica;
    let is_this = |reference: &str| is_replica(&replica.name, &replica.address, reference);
    if let Some(rebuild) = &view.rebuild {
        let from = rebuild.from.join(", ");
        let what = if from.is_empty() { tr("Rebuild").to_owned() } else { fill("Rebuild from {}", &[&from]) };
        let moved = words::transferred(rebuild.done, rebuild.planned, rebuild.bytes_per_second);
        let left = rebuild.seconds_left().map(|left| fill("{} left", &[&words::span(left)]));
        let parts = [Some(what), (!moved.is_empty()).then_some(moved), left];
        return Some((rebuild.percent, parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")));
    }
    if let Some(restore) = volume.restore_status.iter().find(|row| row.is_restoring && is_this(&row.replica)) {
        return Some((restore.progress, tr("Restore").to_owned()));
    }
    let purge = volume.purge_status.iter().flatten().find(|row| row.is_purging && is_this(&row.replica))?;
    Some((purge.progress, tr("Purge").to_owned()))
}

#[component]
fn Work(view: Memo<Option<ReplicaView>>, volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let now = Memo::new(move |_| work(&view.get()?, volume.get()?.as_ref()));
    let percent = Signal::derive(move || now.with(|now| now.as_ref().map_or(0, |(percent, _)| *percent)));
    let text = Signal::derive(move || now.with(|now| now.as_ref().map(|(_, text)| text.clone()).unwrap_or_default()));
    view! {
        <Show when=move || now.with(Option::is_some)>
            <Progress percent label=text />
            <div class="xs">{move || text.get()}" · "{move || percent.get()}" %"</div>
        </Show>
    }
}

#[component]
fn ReplicaMenu(name: String, volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let label = fill("Actions for {}", &[&name]);
    let entries = Callback::new(move |()| {
        let name = name.clone();
        vec![Entry {
            label: tr("Delete replica…").to_owned(),
            refusal: None,
            danger: true,
            choose: Callback::new(move |()| {
                if let Some(volume) = volume.get_untracked() {
                    dialogs::volume::delete_replica(&volume, &name);
                }
            }),
        }]
    });
    move || may_write().then(|| view! { <Menu label=label.clone() entries /> })
}
