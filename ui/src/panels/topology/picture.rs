//! Zones side by side, their nodes, the nodes' disks, and a dot for each replica. Pointing at a dot, or walking to it with
//! the arrow keys, lights up all replicas of its volume; a click keeps them lit.

use aurochs_api::node::NodeStatus;
use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::address;
use crate::components::badge::{Badge, Shape};
use crate::live::Live;
use crate::model::replicas::ReplicaPhase;
use crate::model::topology::{Dot, NodeBox, Topology};
use crate::panels::asked::{asked, setter};
use crate::words::{self, Mark, fill, tr};

/// From here on dots have no names beside them.
const NAMED_MAXIMUM: usize = 60;

/// What lights up.
#[derive(Clone, Copy)]
struct Lit {
    /// The volume under the pointer or the focus.
    pointed: RwSignal<String>,
    /// The one that was clicked; it stands in the address.
    kept: Memo<String>,
    is_lit: StoredValue<Selector<String>>,
}

impl Lit {
    fn new() -> Self {
        let (pointed, kept) = (RwSignal::new(String::new()), asked("volume"));
        let selector = Selector::new(move || {
            let pointed = pointed.get();
            if pointed.is_empty() { kept.get() } else { pointed }
        });
        Self { pointed, kept, is_lit: StoredValue::new(selector) }
    }

    fn shown(self) -> String {
        let pointed = self.pointed.get();
        if pointed.is_empty() { self.kept.get() } else { pointed }
    }
}

#[component]
pub(crate) fn Picture() -> impl IntoView {
    let live = Live::expect();
    let picture = Memo::new(move |_| {
        let (nodes, volumes) = (live.nodes.all(), live.volumes.all());
        Topology::of(nodes.iter().map(AsRef::as_ref), volumes.iter().map(AsRef::as_ref))
    });
    let lit = Lit::new();
    let set = setter();
    let named = Memo::new(move |_| picture.with(|picture| picture.places().len() <= NAMED_MAXIMUM));
    let element = NodeRef::<html::Div>::new();
    let keys = move |event: KeyboardEvent| {
        if let Some(picture) = element.get_untracked() {
            walk(&picture, &event);
        }
    };
    let zones = move || picture.with(|picture| picture.zones.iter().map(|zone| zone.name.clone()).collect::<Vec<_>>());
    let zone = move |name: String| view! { <ZonePart name picture lit set /> };
    let homeless = move || picture.with(|picture| picture.homeless.clone());
    view! {
        <Volumes lit set />
        <div
            node_ref=element
            class="topology"
            class:named=named
            class:lit=move || !lit.shown().is_empty()
            role="group"
            tabindex="0"
            aria-label=tr("Replicas by zone, node and disk; arrow keys go from one to the next")
            on:keydown=keys
            on:pointerleave=move |_| lit.pointed.set(String::new())
        >
            <For each=zones key=Clone::clone children=zone />
        </div>
        {move || {
            let dots = homeless();
            (!dots.is_empty()).then(|| view! {
                <section class="card topology lit-anyway">
                    <h2>{tr("Without a place")}</h2>
                    <p class="xs">{tr("These replicas wait for a disk with room; their volumes say why.")}</p>
                    <div class="dots">{dots.into_iter().map(|dot| view! { <DotPart dot lit set /> }).collect_view()}</div>
                </section>
            })
        }}
    }
}

/// Which volume to light up, and what is said of it.
#[component]
fn Volumes(lit: Lit, set: Callback<(&'static str, String)>) -> impl IntoView {
    let live = Live::expect();
    let names = Memo::new(move |_| live.volumes.all().iter().map(|volume| volume.name.clone()).collect::<Vec<_>>());
    let said = move || {
        let name = lit.shown();
        let volume = live.volumes.get(&name)?;
        let places = |volume: &aurochs_api::volume::Volume| {
            let mut nodes: Vec<String> =
                volume.replicas.iter().map(|replica| replica.host_id.clone()).filter(|node| !node.is_empty()).collect();
            nodes.sort();
            nodes.dedup();
            words::names(&nodes, 6)
        };
        let phase = aurochs_api::volume::phase::Phase::of(&volume);
        Some(view! {
            <Badge mark=Signal::stored(phase.into()) text=words::phase(phase).to_owned() />
            <a class="link" href=address::volume(&name)><strong>{name.clone()}</strong></a>
            <span class="dim">{fill("{} on {}", &[&volume.size, &places(&volume)])}</span>
        })
    };
    view! {
        <div class="asks lit-volume">
            <label class="ask">
                <span class="xs">{tr("Volume")}</span>
                <select aria-label=tr("Volume to light up") prop:value=move || lit.kept.get() on:change=move |event| set.run(("volume", event_target_value(&event)))>
                    <option value="">{tr("None")}</option>
                    {move || names.get().into_iter().map(|name| {
                        let chosen = name.clone();
                        view! { <option value=name.clone() selected=move || lit.kept.with(|kept| *kept == chosen)>{name.clone()}</option> }
                    }).collect_view()}
                </select>
            </label>
            <Legend />
            <p class="said" aria-live="polite">{said}</p>
        </div>
    }
}

#[component]
fn Legend() -> impl IntoView {
    let part = |phase: ReplicaPhase| {
        let mark = Mark::from(phase);
        view! { <span class="legend-part"><span class=format!("dot {}", mark.class())><Shape mark=Signal::stored(mark) /></span>{words::replica_phase(phase)}</span> }
    };
    view! {
        <span class="dot-legend xs">
            {[ReplicaPhase::Healthy, ReplicaPhase::Rebuilding, ReplicaPhase::Failed, ReplicaPhase::Stopped].into_iter().map(part).collect_view()}
        </span>
    }
}

// Each part follows its own piece, so that a change somewhere moves nothing else, and takes nobody's focus.

#[component]
fn ZonePart(name: String, picture: Memo<Topology>, lit: Lit, set: Callback<(&'static str, String)>) -> impl IntoView {
    let shown = if name.is_empty() { tr("No zone").to_owned() } else { name.clone() };
    let nodes = Memo::new(move |_| {
        picture.with(|picture| {
            let zone = picture.zones.iter().find(|zone| zone.name == name);
            zone.map(|zone| zone.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>()).unwrap_or_default()
        })
    });
    let node = move |name: String| view! { <NodePart name picture lit set /> };
    view! {
        <section class="zone" aria-label=shown.clone()>
            <h2>{shown.clone()}" "<span class="xs">{move || words::count(nodes.with(Vec::len), "node")}</span></h2>
            <div class="zone-nodes"><For each=move || nodes.get() key=Clone::clone children=node /></div>
        </section>
    }
}

#[component]
fn NodePart(name: String, picture: Memo<Topology>, lit: Lit, set: Callback<(&'static str, String)>) -> impl IntoView {
    let (href, label, wanted) = (format!("nodes/{name}"), name.clone(), name.clone());
    let node = Memo::new(move |_| {
        picture
            .with(|picture| picture.zones.iter().flat_map(|zone| &zone.nodes).find(|node| node.name == wanted).cloned())
    });
    let status = Memo::new(move |_| node.with(|node| node.as_ref().map_or(NodeStatus::Unknown, |node| node.status)));
    let disks = Memo::new(move |_| {
        node.with(|node| {
            let disks = node.iter().flat_map(|node| &node.disks);
            disks.map(|disk| disk.name.clone()).collect::<Vec<_>>()
        })
    });
    let disk = move |name: String| view! { <DiskPart name node lit set /> };
    view! {
        <section class="card node-box" class:down=move || status.get() == NodeStatus::Down aria-label=label>
            <div class="head">
                <h3><a class="link" href=href>{name}</a></h3>
                <span class="right">
                    <Badge mark=Signal::derive(move || status.get().into()) text=Signal::derive(move || words::node_status(status.get()).to_owned()) />
                </span>
            </div>
            <For each=move || disks.get() key=Clone::clone children=disk />
        </section>
    }
}

#[component]
fn DiskPart(
    name: String,
    node: Memo<Option<NodeBox>>,
    lit: Lit,
    set: Callback<(&'static str, String)>,
) -> impl IntoView {
    let shown = if name.is_empty() { tr("A disk that is not there").to_owned() } else { name.clone() };
    let is_there = !name.is_empty();
    let disk = Memo::new(move |_| {
        node.with(|node| node.as_ref().and_then(|node| node.disks.iter().find(|disk| disk.name == name).cloned()))
    });
    let figures = Memo::new(move |_| {
        disk.with(|disk| disk.as_ref().map(|disk| (disk.dots.len(), disk.used, disk.is_usable)).unwrap_or_default())
    });
    let note = move || match figures.get() {
        (count, used, _) if is_there => {
            format!("{} · {}", words::count(count, "replica"), fill("{} % used", &[&used]))
        }
        (count, _, _) => words::count(count, "replica"),
    };
    let off = move || (!figures.get().2).then(|| view! { <span class="tag">{tr("takes none")}</span> });
    let dots = move || disk.with(|disk| disk.iter().flat_map(|disk| disk.dots.clone()).collect::<Vec<_>>());
    let dot = move |dot: Dot| view! { <DotPart dot lit set /> };
    view! {
        <div class="disk-box" class:off=move || !figures.get().2>
            <div class="xs"><strong>{shown}</strong>" "{note}{off}</div>
            <div class="dots">
                <For each=dots key=|dot| (dot.replica.clone(), words::replica_phase(dot.phase)) children=dot />
            </div>
        </div>
    }
}

#[component]
fn DotPart(dot: Dot, lit: Lit, set: Callback<(&'static str, String)>) -> impl IntoView {
    let mark = Mark::from(dot.phase);
    let Dot { volume, replica, phase } = dot;
    let label = fill("{}, replica {}, {}", &[&volume, &replica, &words::replica_phase(phase)]);
    let selector = lit.is_lit.get_value();
    let (lit_name, point, focus, keep, name) = (volume.clone(), volume.clone(), volume.clone(), volume.clone(), volume);
    let is_lit = move || selector.selected(&lit_name);
    let keep = move |_| {
        let again = lit.kept.with_untracked(|kept| *kept == keep);
        set.run(("volume", if again { String::new() } else { keep.clone() }));
    };
    view! {
        <button
            type="button"
            class=format!("replica-dot {}", mark.class())
            class:on=is_lit
            tabindex="-1"
            aria-label=label.clone()
            title=label
            on:pointerenter=move |_| lit.pointed.set(point.clone())
            on:focus=move |_| lit.pointed.set(focus.clone())
            on:blur=move |_| lit.pointed.set(String::new())
            on:click=keep
        >
            <Shape mark=Signal::stored(mark) />
            <span class="dot-name">{name}</span>
        </button>
    }
}

/// Left and right go from dot to dot, up and down from disk to disk. Dots are no stops of the Tab key: there may be thousands.
fn walk(picture: &HtmlElement, event: &KeyboardEvent) {
    let key = event.key();
    let (from, step): (&str, i32) = match key.as_str() {
        "ArrowRight" => (".replica-dot", 1),
        "ArrowLeft" => (".replica-dot", -1),
        "ArrowDown" => (".disk-box", 1),
        "ArrowUp" => (".disk-box", -1),
        _ => return,
    };
    event.prevent_default();
    let Ok(all) = picture.query_selector_all(from) else { return };
    let focused = document().active_element();
    let holds = |node: &web_sys::Node| focused.as_ref().is_some_and(|focused| node.contains(Some(focused)));
    let place = (0..all.length()).find(|index| all.get(*index).is_some_and(|node| holds(&node)));
    let mut next = place.map_or(0, |place| i64::from(place) + i64::from(step));
    while let Some(node) = u32::try_from(next).ok().and_then(|index| all.get(index)) {
        let Ok(element) = node.dyn_into::<HtmlElement>() else { return };
        // A disk stands for its first dot; one without any is passed.
        let dot = if from == ".replica-dot" { Some(element) } else { first_dot(&element) };
        if let Some(dot) = dot {
            _ = dot.focus();
            return;
        }
        next += i64::from(step);
    }
}

fn first_dot(disk: &HtmlElement) -> Option<HtmlElement> {
    disk.query_selector(".replica-dot").ok().flatten()?.dyn_into().ok()
}
