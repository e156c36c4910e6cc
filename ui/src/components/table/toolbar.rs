//! Above the rows: search, filters, columns, and what can be done with those that are selected.

use leptos::prelude::*;

use super::columns::{Chooser, is_open};
use super::grid::{Board, counted};
use super::item::{Choice, Item};
use crate::components::icon::{Icon, Pictogram};
use crate::components::menu::{Entry, Menu};
use crate::dialogs;
use crate::words::{fill, grouped, tr};

/// So many filters stand open beside the search; more are folded.
const OPEN_FILTERS: usize = 3;
/// So many bulk actions are buttons; the others are in a menu.
const BUTTONS: usize = 3;

#[component]
pub(super) fn Toolbar(board: Board, lead: ViewFn) -> impl IntoView {
    let filters = board.filters.get_value().into_iter().filter(|filter| !filter.outside).collect::<Vec<_>>();
    let folded = filters.len() > OPEN_FILTERS;
    let fields =
        move || filters.iter().map(|filter| view! { <FilterField board filter=filter.clone() /> }).collect_view();
    let fields = if folded {
        view! { <Folded board fields /> }.into_any()
    } else {
        view! { <div class="inline">{fields()}</div> }.into_any()
    };
    let type_in = move |event| board.query.update(|query| query.text = event_target_value(&event));
    let waiting = move || board.listed.with(|listed| listed.waiting);
    let let_in = move |_| board.admitted.update(|admitted| *admitted += 1);
    view! {
        <div class="filters">
            {lead.run()}
            <label class="search">
                <Pictogram icon=Icon::Search />
                <input
                    type="search"
                    aria-label=tr(board.search)
                    placeholder=tr(board.search)
                    spellcheck="false"
                    prop:value=move || board.query.with(|query| query.text.clone())
                    on:input=type_in
                />
            </label>
            {fields}
            <span class="dim num" role="status" data-testid="count">{move || counted(board)}</span>
            {move || (waiting() > 0).then(|| view! {
                <button type="button" class="chip" data-testid="new-rows" on:click=let_in>
                    {fill("{} new", &[&grouped(waiting())])}
                </button>
            })}
            {move || (!board.narrow.get()).then(|| view! { <Chooser table=board.id columns=board.columns chosen=board.chosen /> })}
        </div>
    }
}

/// Filters behind a button that says how many of them are on, and chips that take them off.
#[component]
fn Folded(board: Board, #[prop(into)] fields: ViewFn) -> impl IntoView {
    let open = RwSignal::new(false);
    let is_own = move |key: &str| {
        board.filters.with_value(|filters| filters.iter().any(|filter| filter.key == key && !filter.outside))
    };
    let number = move || board.query.with(|query| query.filters.keys().filter(|key| is_own(key)).count());
    let chips = move || {
        let chosen = board.query.with(|query| query.filters.clone());
        let chip = |(key, word): (&'static str, String)| {
            let filter =
                board.filters.with_value(|filters| filters.iter().find(|filter| filter.key == key).cloned())?;
            let shown = board
                .items
                .with_untracked(|items| (filter.choices)(items))
                .into_iter()
                .find(|(choice, _)| *choice == word);
            let shown = shown.map_or(word, |(_, shown)| shown);
            let label = tr(filter.label);
            Some(view! {
                <button
                    type="button"
                    class="chip"
                    title=tr("Take this filter off")
                    on:click=move |_| board.query.update(|query| query.choose(key, ""))
                >
                    {format!("{label}: {shown}")}
                    <Pictogram icon=Icon::Close />
                </button>
            })
        };
        chosen.into_iter().filter(|(key, _)| is_own(key)).filter_map(chip).collect_view()
    };
    view! {
        <details class="pop" data-testid="filters" on:toggle=move |event| open.set(is_open(&event))>
            <summary class="button">
                {tr("Filter")}
                <span class="count">{move || (number() > 0).then(number)}</span>
            </summary>
            {move || open.get().then(|| view! { <div class="panel">{fields.run()}</div> })}
        </details>
        {chips}
    }
}

#[component]
fn FilterField(board: Board, filter: Choice) -> impl IntoView {
    let Choice { key, label, choices, .. } = filter;
    let value = move || board.query.with(|query| query.filters.get(key).cloned().unwrap_or_default());
    let offered = move || board.items.with(|items| choices(items));
    // A field for text stays one while rows come and go.
    let is_text = board.items.with_untracked(|items| {
        board.filters.with_value(|filters| {
            filters.iter().find(|filter| filter.key == key).is_none_or(|filter| (filter.choices)(items).is_empty())
        })
    }) && board.items.with_untracked(|items| !items.is_empty());
    let choose = move |event| {
        let word = event_target_value(&event);
        board.query.update(|query| query.choose(key, word.trim()));
    };
    if is_text {
        return view! {
            <label class="filter">
                <span>{tr(label)}</span>
                <input type="text" spellcheck="false" prop:value=value on:input=choose />
            </label>
        }
        .into_any();
    }
    let option = move |(word, shown): (String, String)| {
        let this = word.clone();
        view! { <option value=word prop:selected=move || value() == this>{shown}</option> }
    };
    view! {
        <label class="filter">
            <span>{tr(label)}</span>
            <select on:change=choose class:on=move || !value().is_empty()>
                <option value="" prop:selected=move || value().is_empty()>{tr("All")}</option>
                {move || offered().into_iter().map(option).collect_view()}
            </select>
        </label>
    }
    .into_any()
}

#[component]
pub(super) fn BulkBar(board: Board, entries: Callback<Vec<Item>, Vec<Entry>>) -> impl IntoView {
    let number = Memo::new(move |_| board.selection.ids.with(std::collections::BTreeSet::len));
    let selected = move || {
        board.selection.ids.with(|ids| {
            board.items.with(|items| items.iter().filter(|item| ids.contains(&item.id)).cloned().collect::<Vec<_>>())
        })
    };
    let offered = move || entries.run(selected());
    let first = move || if board.narrow.get() { 0 } else { BUTTONS };
    let rest = Callback::new(move |()| untrack(offered).into_iter().skip(untrack(first)).collect::<Vec<_>>());
    // Drawn again only when what is offered changes, and the menu never: it may be open, and a press takes its time.
    let offers = Memo::new(move |_| {
        let name = |entry: Entry| (entry.label, entry.refusal);
        offered().into_iter().map(name).collect::<Vec<_>>()
    });
    let has_more = Memo::new(move |_| offers.with(Vec::len) > first());
    let press = move |label: &str| {
        let pressed = untrack(offered).into_iter().find(|entry| entry.label == label && entry.refusal.is_none());
        if let Some(entry) = pressed {
            dialogs::outlive(|| entry.choose.run(()));
        }
    };
    let button = move |(label, refusal): (String, Option<String>)| {
        let (refused, named) = (refusal.is_some(), label.clone());
        view! { <button type="button" disabled=refused title=refusal on:click=move |_| press(&named)>{label}</button> }
    };
    view! {
        <div class="bulk" class:empty=move || number.get() == 0 role="toolbar" aria-label=tr("Selected rows") data-testid="bulk">
            {move || (number.get() > 0).then(|| view! {
                <strong>{fill("{} selected", &[&grouped(number.get())])}</strong>
                {move || offers.get().into_iter().take(first()).map(button).collect_view()}
                {move || has_more.get().then(|| view! {
                    <Menu label=tr("More for the selected") text=tr("More") entries=rest />
                })}
                <button type="button" class="clear" on:click=move |_| board.selection.clear()>{tr("Clear")}</button>
            })}
        </div>
    }
}
