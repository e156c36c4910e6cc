//! One row. It follows what it shows, while its menu and its checkbox stay.

use std::sync::Arc;

use leptos::prelude::*;

use super::cell;
use super::column::{Kind, Value};
use super::grid::{Board, drawn_cell};
use super::item::{Item, Shown};
use crate::components::menu::Menu;
use crate::role::may_write;
use crate::words::{fill, tr};

/// Values of the second line on a phone.
const FACTS: usize = 3;

#[component]
pub(super) fn RowView(
    board: Board,
    drawn: Memo<Vec<(usize, Item)>>,
    index: usize,
    id: Arc<str>,
    item: Item,
) -> impl IntoView {
    let this = id.clone();
    // Its place in the list and what it shows; as they were, when it is about to go.
    let now = Memo::new(move |before: Option<&(usize, Item)>| {
        let found = drawn.with(|drawn| drawn.iter().find(|(_, item)| item.id == this).cloned());
        found.or_else(|| before.cloned()).unwrap_or_else(|| (index, item.clone()))
    });
    let item = Memo::new(move |_| now.get().1);
    let row_index = move || now.get().0 + 2;
    let this = id.clone();
    let is_selected = Memo::new(move |_| board.selection.ids.with(|ids| ids.contains(&this)));
    let cells = move || {
        let item = item.get();
        let shown = board.shown();
        if board.narrow.get() {
            return view! { <td class="summary">{summary(&shown, &item)}</td> }.into_any();
        }
        let cell = |(index, column): (usize, &Shown)| drawn_cell(column, &item, index == 0);
        shown.iter().enumerate().map(cell).collect_view().into_any()
    };
    let (name, own) = (id.clone(), id.clone());
    let pick = move || {
        let id = own.clone();
        board.picks.get().then(|| view! { <td class="pick"><Pick board id is_selected /></td> })
    };
    let act = board.menu.map(|menu| {
        let entries = Callback::new(move |()| menu.run(item.get_untracked()));
        // Who may only look is not offered a menu without entries.
        let offers = Memo::new(move |_| may_write() || !menu.run(item.get()).is_empty());
        let label = fill("Actions for {}", &[&name]);
        view! { <td class="act">{move || offers.get().then(|| view! { <Menu label=label.clone() entries /> })}</td> }
    });
    view! {
        <tr class:selected=move || is_selected.get() aria-rowindex=row_index data-testid=format!("{}-{id}", board.noun)>
            {pick}
            {cells}
            {act}
        </tr>
    }
}

#[component]
fn Pick(board: Board, id: Arc<str>, is_selected: Memo<bool>) -> impl IntoView {
    let label = fill("Select {}", &[&id]);
    let toggle = move |event: leptos::ev::MouseEvent| {
        let range = event.shift_key();
        board.listed.with_untracked(|listed| board.selection.toggle(&id, range, &listed.lines));
    };
    view! { <input type="checkbox" aria-label=label prop:checked=move || is_selected.get() on:click=toggle /> }
}

/// Two lines: what it is and how it is, then the first facts.
fn summary(shown: &[Shown], item: &Item) -> AnyView {
    let main = shown.first().map(|column| cell::cell(column, item));
    let state = shown.iter().position(|column| column.kind == Kind::State);
    let badge = state.map(|index| cell::cell(&shown[index], item));
    let says = |value: &Value| !matches!(value, Value::None) && *value != Value::text("");
    let facts = shown.iter().enumerate().skip(1).filter(|(index, _)| Some(*index) != state);
    let facts =
        facts.map(|(_, column)| (column.label, (column.value)(item))).filter(|(_, value)| says(value)).take(FACTS);
    // A bare number tells nothing.
    let fact = |(label, value): (&'static str, Value)| {
        let name = matches!(value, Value::Number(_) | Value::Bytes(_)).then(|| format!("{} ", tr(label)));
        view! { <span>{name}{cell::plain(value)}</span> }
    };
    view! {
        <div class="line"><span class="main">{main}</span>{badge}</div>
        <div class="line facts">{facts.map(fact).collect_view()}</div>
    }
    .into_any()
}
