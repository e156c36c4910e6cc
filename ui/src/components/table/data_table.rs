//! A table of things of the API.

use std::sync::Arc;

use leptos::prelude::*;

use super::column::{Column, Filter};
use super::grid::{Grid, Plan};
use super::item::Item;
use crate::components::menu::Entry;
use crate::live::{ListState, Thing};

#[component]
pub(crate) fn DataTable(
    /// Names what the browser keeps of it; rows are `<id>-<id of the thing>` to tests.
    id: &'static str,
    /// English: what the rows are, "Backups".
    caption: &'static str,
    #[prop(into)] rows: Signal<Vec<Thing>>,
    #[prop(into)] state: Signal<ListState>,
    /// The first is what the row is called; it is always there.
    columns: Vec<Column>,
    #[prop(optional)] filters: Vec<Filter>,
    /// The row menu, asked for each time it opens.
    #[prop(optional, into)]
    menu: Option<Callback<Thing, Vec<Entry>>>,
    /// With it rows can be selected.
    #[prop(optional, into)]
    bulk: Option<Callback<Vec<Thing>, Vec<Entry>>>,
    /// Shown when there are no rows at all: teaches the next step.
    #[prop(into)]
    empty: ViewFn,
    /// Tries again after a failure.
    #[prop(optional, into)]
    retry: Option<Callback<()>>,
    /// Of the words in the address, where a page has two tables.
    #[prop(optional)]
    prefix: &'static str,
    /// Key of the column that sorts at first, and whether it is turned round. Without it rows stand as they come.
    #[prop(optional)]
    order: Option<(&'static str, bool)>,
) -> impl IntoView {
    let items = Memo::new_with_compare(
        move |before: Option<&Arc<Vec<Item>>>| {
            let before = before.cloned().unwrap_or_default();
            let item = |(index, thing): (usize, &Thing)| {
                // The same thing in the same place is the same row.
                let same = before.get(index).filter(|item| item.get::<Thing>().is_some_and(|of| of.is_same(thing)));
                same.cloned().unwrap_or_else(|| Item::new(thing.id(), Arc::new(thing.clone())))
            };
            rows.with(|rows| Arc::new(rows.iter().enumerate().map(item).collect::<Vec<_>>()))
        },
        |_, _| true,
    );
    let thing = |item: &Item| item.get::<Thing>().cloned();
    let menu =
        menu.map(|menu| Callback::new(move |item: Item| thing(&item).map(|thing| menu.run(thing)).unwrap_or_default()));
    let bulk =
        bulk.map(|bulk| Callback::new(move |items: Vec<Item>| bulk.run(items.iter().filter_map(thing).collect())));
    let plan = Plan {
        id,
        noun: id,
        caption,
        items: items.into(),
        state,
        columns: columns.into_iter().map(Into::into).collect(),
        filters: filters.into_iter().map(Into::into).collect(),
        menu,
        bulk,
        empty,
        retry,
        prefix,
        order,
        search: "Search",
        lead: ViewFn::default(),
    };
    view! { <Grid plan /> }
}
