//! Where everything is: zones, nodes, disks, and each replica on them.

use leptos::prelude::*;

use super::titled;
use crate::components::page::{PageHead, Tab, Tabs};
use crate::components::skeleton::Skeleton;
use crate::live::Live;
use crate::panels::nodes::replicas::ReplicaTable;
use crate::panels::topology::picture::Picture;
use crate::words::{self, tr};

#[component]
pub(crate) fn TopologyPage() -> impl IntoView {
    titled(|| tr("Topology").to_owned());
    let live = Live::expect();
    let replicas = Memo::new(move |_| live.volumes.all().iter().map(|volume| volume.replicas.len()).sum::<usize>());
    let note = move || {
        view! { <span class="dim">{move || live.loaded.get().then(|| format!("{} · {}", words::count(live.nodes.len(), "node"), words::count(replicas.get(), "replica")))}</span> }
    };
    let picture = move || {
        view! {
            <Show when=move || live.loaded.get() fallback=|| view! { <section class="card"><Skeleton lines=10 /></section> }>
                <Picture />
            </Show>
        }
    };
    view! {
        <PageHead title=tr("Topology") note />
        <Tabs tabs=vec![
            Tab { key: "picture", label: "Picture", view: picture.into() },
            Tab { key: "table", label: "Table", view: (|| view! { <ReplicaTable id="replicas" node=String::new() /> }).into() },
        ] />
    }
}
