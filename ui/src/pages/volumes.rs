//! All volumes.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::prelude::*;

use super::dashboard::FirstVolume;
use super::titled;
use crate::components::icon::{Icon, Pictogram};
use crate::components::page::PageHead;
use crate::components::table::{Grid, Item, Plan};
use crate::dialogs;
use crate::live::{ListState, Live};
use crate::panels::volume_actions::entries_of;
use crate::panels::volume_columns::{columns, filters};
use crate::panels::volume_filters::StateChips;
use crate::role::may_write;
use crate::words;
use crate::words::tr;

#[component]
pub(crate) fn VolumesPage() -> impl IntoView {
    let live = Live::expect();
    titled(|| tr("Volumes").to_owned());
    let number = move || view! { <span class="dim">{move || live.loaded.get().then(|| words::grouped(live.volumes.len()))}</span> };
    let create = move || {
        may_write().then(|| {
            view! {
                <button type="button" class="primary" on:click=|_| dialogs::volume::create()>
                    <Pictogram icon=Icon::Plus />
                    {tr("Create volume")}
                </button>
            }
        })
    };
    let state = Signal::derive(move || if live.loaded.get() { ListState::Ready } else { ListState::Loading });
    let names = |items: Vec<Item>| items.iter().map(|item| item.id.to_string()).collect::<Vec<_>>();
    let plan = Plan {
        id: "volumes",
        noun: "volume",
        caption: "Volumes",
        items: items(live),
        state,
        columns: columns(),
        filters: filters(),
        menu: Some(Callback::new(|item: Item| entries_of(&[item.id.to_string()]))),
        bulk: Some(Callback::new(move |items| entries_of(&names(items)))),
        empty: ViewFn::from(|| view! { <FirstVolume /> }),
        retry: None,
        prefix: "",
        order: Some(("name", false)),
        search: "Search volumes",
        lead: ViewFn::from(|| view! { <StateChips /> }),
    };
    view! {
        <PageHead title=tr("Volumes") note=number actions=move || create />
        <Grid plan />
    }
}

/// The rows; those whose volume did not change are the same ones.
fn items(live: Live) -> Signal<Arc<Vec<Item>>> {
    let items = Memo::new_with_compare(
        move |before: Option<&Arc<Vec<Item>>>| {
            let before = before.cloned().unwrap_or_default();
            let item = |(index, volume): (usize, Arc<Volume>)| match before.get(index) {
                Some(same) if Item::shows(same, &volume) => same.clone(),
                _ => Item::new(&volume.name, Arc::clone(&volume)),
            };
            Arc::new(live.volumes.all().into_iter().enumerate().map(item).collect::<Vec<_>>())
        },
        |_, _| true,
    );
    items.into()
}
