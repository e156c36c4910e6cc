//! Volumes by state. A click shows those volumes.

use aurochs_api::volume::phase::Group;
use leptos::prelude::*;

use crate::components::badge::Badge;
use crate::components::bar::{Bar, Part, share};
use crate::live::Live;
use crate::words::{self, tr};

/// Volumes per group, in the order of [`Group::ALL`].
pub(crate) fn counts(live: Live) -> Memo<[usize; 5]> {
    Memo::new(move |_| Group::counts(live.volumes.all().iter().map(|volume| &**volume)))
}

fn colour(group: Group) -> &'static str {
    match group {
        Group::Healthy => "healthy",
        Group::Degraded => "degraded",
        Group::InProgress => "progress",
        Group::Faulted => "faulted",
        Group::Detached => "bar-disabled",
    }
}

#[component]
pub(crate) fn VolumeStatesPanel() -> impl IntoView {
    let live = Live::expect();
    let counts = counts(live);
    let parts = Signal::derive(move || {
        let counts = counts.get();
        let total: usize = counts.iter().sum();
        let part =
            |(count, group): (usize, Group)| Part { share: share(count as u64, total as u64), colour: colour(group) };
        counts.into_iter().zip(Group::ALL).map(part).collect()
    });
    let line = move |(index, group): (usize, Group)| {
        view! {
            <li>
                <a href=format!("volumes?status={}", group.key()) data-testid=format!("count-{}", group.key())>
                    <Badge mark=Signal::stored(group.into()) text=words::group(group).to_owned() />
                    <strong class="num">{move || words::grouped(counts.get()[index])}</strong>
                </a>
            </li>
        }
    };
    view! {
        <section class="card" aria-labelledby="volumes-title">
            <h2 id="volumes-title">{tr("Volumes")}</h2>
            <p class="big">{move || words::grouped(live.volumes.len())}</p>
            <Bar parts />
            <ul class="states">{Group::ALL.into_iter().enumerate().map(line).collect_view()}</ul>
        </section>
    }
}
