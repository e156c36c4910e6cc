//! The list of volumes: filtered, sorted, and standing still while somebody chooses.

use std::collections::BTreeSet;

use leptos::prelude::*;

use super::volume_row::VolumeRow;
use crate::components::icon::{Icon, Pictogram};
use crate::hold::Hold;
use crate::live::Live;
use crate::model::filter::{Sort, SortKey, matches, order};
use crate::model::phase::Group;
use crate::words;

/// Rows that are drawn at once; thousands of rows that nobody scrolls to would only cost time.
const PAGE: usize = 200;

/// What the list shows.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) group: Signal<Option<Group>>,
    pub(crate) text: RwSignal<String>,
    pub(crate) sort: RwSignal<Sort>,
    pub(crate) selected: RwSignal<BTreeSet<String>>,
}

/// Names in the order of the list.
pub(crate) fn listed(live: Live, shown: Shown) -> Memo<Vec<String>> {
    let hold = Hold::expect();
    Memo::new(move |before: Option<&Vec<String>>| {
        if let (true, Some(before)) = (hold.is_held(), before) {
            return before.clone();
        }
        let (group, sort) = (shown.group.get(), shown.sort.get());
        let mut volumes = live.volumes.all();
        shown.text.with(|text| volumes.retain(|volume| matches(volume, group, text)));
        volumes.sort_by(|a, b| order(sort, a, b));
        volumes.iter().map(|volume| volume.name.clone()).collect()
    })
}

#[component]
pub(crate) fn VolumeTable(names: Memo<Vec<String>>, shown: Shown) -> impl IntoView {
    let live = Live::expect();
    let limit = RwSignal::new(PAGE);
    let page = move || names.with(|names| names.iter().take(limit.get()).cloned().collect::<Vec<_>>());
    let hidden = move || names.with(Vec::len).saturating_sub(limit.get());
    let row =
        move |name: String| live.volumes.row(&name).map(|row| view! { <VolumeRow row selected=shown.selected /> });
    view! {
        <section class="card tablecard">
            <table class="volumes">
                <caption class="sr-only">"Volumes"</caption>
                <thead>
                    <tr>
                        <th class="pick"><PickAll names selected=shown.selected /></th>
                        <Column key=SortKey::State label="State" sort=shown.sort />
                        <Column key=SortKey::Name label="Name" sort=shown.sort />
                        <Column key=SortKey::Size label="Size" sort=shown.sort number=true />
                        <Column key=SortKey::ActualSize label="Actual size" sort=shown.sort number=true />
                        <Column key=SortKey::Node label="Attached to" sort=shown.sort />
                        <Column key=SortKey::Replicas label="Replicas" sort=shown.sort />
                        <Column key=SortKey::Created label="Created" sort=shown.sort />
                        <th class="act"><span class="sr-only">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>
                    <For each=page key=Clone::clone children=row />
                </tbody>
            </table>
            {move || (hidden() > 0).then(|| view! {
                <button type="button" class="ghost more" on:click=move |_| limit.update(|limit| *limit += PAGE)>
                    {move || format!("Show {} more", words::grouped(hidden().min(PAGE)))}
                </button>
            })}
        </section>
    }
}

#[component]
fn Column(key: SortKey, label: &'static str, sort: RwSignal<Sort>, #[prop(optional)] number: bool) -> impl IntoView {
    let direction = move || {
        let sort = sort.get();
        (sort.key == key).then_some(if sort.descending { "descending" } else { "ascending" })
    };
    let icon = move || direction().map(|direction| if direction == "ascending" { Icon::Up } else { Icon::Down });
    view! {
        <th scope="col" class:num=number aria-sort=direction>
            <button type="button" class="sort" on:click=move |_| sort.update(|sort| *sort = sort.by(key))>
                {label}
                {move || icon().map(|icon| view! { <Pictogram icon /> })}
            </button>
        </th>
    }
}

/// Selects what the list shows.
#[component]
fn PickAll(names: Memo<Vec<String>>, selected: RwSignal<BTreeSet<String>>) -> impl IntoView {
    let all = Memo::new(move |_| {
        selected
            .with(|selected| names.with(|names| !names.is_empty() && names.iter().all(|name| selected.contains(name))))
    });
    let toggle = move |_| {
        selected.set(if all.get_untracked() { BTreeSet::new() } else { names.get_untracked().into_iter().collect() })
    };
    view! { <input type="checkbox" aria-label="Select all" prop:checked=move || all.get() on:change=toggle /> }
}
