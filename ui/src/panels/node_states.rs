//! Nodes by state.

use aurochs_api::node::NodeStatus;
use leptos::prelude::*;

use crate::components::badge::Badge;
use crate::components::bar::{Bar, Part, share};
use crate::live::Live;
use crate::words::{self, node_key, tr};

const SHOWN: [(NodeStatus, &str); 5] = [
    (NodeStatus::Schedulable, "healthy"),
    (NodeStatus::Unschedulable, "degraded"),
    (NodeStatus::Down, "faulted"),
    (NodeStatus::Disabled, "bar-disabled"),
    (NodeStatus::Unknown, "progress"),
];

#[component]
pub(crate) fn NodeStatesPanel() -> impl IntoView {
    let live = Live::expect();
    let counts = Memo::new(move |_| {
        let nodes = live.nodes.all();
        SHOWN.map(|(status, _)| nodes.iter().filter(|node| node.status() == status).count())
    });
    let parts = Signal::derive(move || {
        let counts = counts.get();
        let total: usize = counts.iter().sum();
        let part = |(count, (_, colour))| Part { share: share(count as u64, total as u64), colour };
        counts.into_iter().zip(SHOWN).map(part).collect()
    });
    // Unknown is rare: the line comes when there is something to count.
    let line = move |(index, (status, _)): (usize, (NodeStatus, &str))| {
        let shown = Memo::new(move |_| status != NodeStatus::Unknown || counts.get()[index] > 0);
        move || {
            shown.get().then(|| {
                view! {
                    <li>
                        <a href=format!("nodes?status={}", node_key(status))>
                            <Badge mark=Signal::stored(status.into()) text=words::node_status(status).to_owned() />
                            <strong class="num">{move || counts.get()[index]}</strong>
                        </a>
                    </li>
                }
            })
        }
    };
    view! {
        <section class="card" aria-labelledby="nodes-title">
            <h2 id="nodes-title">{tr("Nodes")}</h2>
            <p class="big">{move || words::grouped(live.nodes.len())}</p>
            <Bar parts />
            <ul class="states">{SHOWN.into_iter().enumerate().map(line).collect_view()}</ul>
        </section>
    }
}
