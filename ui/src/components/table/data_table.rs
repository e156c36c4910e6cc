//! A table of things.

use leptos::prelude::*;

use super::{Column, Filter};
use crate::components::menu::Entry;
use crate::live::{ListState, Thing};

#[component]
pub(crate) fn DataTable(
    /// Names what the browser keeps of it.
    id: &'static str,
    /// English: what the rows are, "Backups".
    caption: &'static str,
    #[prop(into)] rows: Signal<Vec<Thing>>,
    #[prop(into)] state: Signal<ListState>,
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
) -> impl IntoView {
    _ = (id, filters.len(), menu, bulk, retry, prefix);
    let row = move |thing: Thing| {
        let cells = columns.iter().map(|column| match (column.value)(&thing) {
            super::Value::Text(text) | super::Value::Time(text) | super::Value::State(_, text) => text,
            super::Value::Number(number) => number.to_string(),
            super::Value::Bytes(bytes) => bytes.to_string(),
            super::Value::None => String::new(),
        });
        view! { <tr>{cells.map(|text| view! { <td>{text}</td> }).collect_view()}</tr> }
    };
    view! {
        <table aria-label=caption>
            <tbody>{move || rows.get().into_iter().map(&row).collect_view()}</tbody>
        </table>
        {move || (rows.with(Vec::is_empty) && state.get() == ListState::Ready).then(|| empty.run())}
    }
}
