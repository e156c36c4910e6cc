//! The table itself, without the type of its rows.

use std::sync::Arc;
use std::time::Duration;

use leptos::html;
use leptos::prelude::*;

use super::cell;
use super::column::{Kind, Value};
use super::columns::{self, Chosen};
use super::item::{Choice, Item, Shown};
use super::keys::move_between_rows;
use super::lines::{Line, lines};
use super::listed::{Listed, Wanted};
use super::query::{self, Query, TableQuery};
use super::row::RowView;
use super::selection::Selection;
use super::toolbar::{BulkBar, Toolbar};
use super::window::{in_view, narrow, row_pixels};
use crate::api::ApiError;
use crate::components::call::Failure;
use crate::components::icon::{Icon, Pictogram};
use crate::components::menu::Entry;
use crate::components::skeleton::Skeleton;
use crate::hold::Hold;
use crate::live::ListState;
use crate::role::may_write;
use crate::words::{self, tr};

/// Widths of the style sheet (`65-table.css`).
const PICK_PIXELS: u32 = 36;
const ACT_PIXELS: u32 = 48;
/// Letters that fit into the narrowest column.
const TITLED: usize = 14;
/// A fraction of a frame.
const PREPARED_AT_ONCE: usize = 250;
const PREPARED_EVERY: Duration = Duration::from_millis(20);

/// What a table is made of.
pub(crate) struct Plan {
    /// Names what the browser keeps of it.
    pub(crate) id: &'static str,
    /// What one row is; rows are `<noun>-<id>` to tests.
    pub(crate) noun: &'static str,
    /// English: what the rows are.
    pub(crate) caption: &'static str,
    pub(crate) items: Signal<Arc<Vec<Item>>>,
    pub(crate) state: Signal<ListState>,
    pub(crate) columns: Vec<Shown>,
    pub(crate) filters: Vec<Choice>,
    pub(crate) menu: Option<Callback<Item, Vec<Entry>>>,
    pub(crate) bulk: Option<Callback<Vec<Item>, Vec<Entry>>>,
    pub(crate) empty: ViewFn,
    pub(crate) retry: Option<Callback<()>>,
    /// Of the words in the address, where a page has two tables.
    pub(crate) prefix: &'static str,
    /// Key of the column that sorts at first, and whether it is turned round.
    pub(crate) order: Option<(&'static str, bool)>,
    /// What a search field says that it searches, in English.
    pub(crate) search: &'static str,
    /// Above the table, beside the search.
    pub(crate) lead: ViewFn,
}

/// What the parts of one table share.
#[derive(Clone, Copy)]
pub(super) struct Board {
    pub(super) id: &'static str,
    pub(super) noun: &'static str,
    pub(super) items: Signal<Arc<Vec<Item>>>,
    pub(super) columns: StoredValue<Vec<Shown>>,
    pub(super) filters: StoredValue<Vec<Choice>>,
    pub(super) chosen: Chosen,
    pub(super) query: RwSignal<Query>,
    pub(super) listed: Memo<Listed>,
    pub(super) selection: Selection,
    pub(super) admitted: RwSignal<u64>,
    pub(super) menu: Option<Callback<Item, Vec<Entry>>>,
    pub(super) bulk: Option<Callback<Vec<Item>, Vec<Entry>>>,
    /// Rows can be selected: there are bulk actions, and the user may change something.
    pub(super) picks: Memo<bool>,
    pub(super) narrow: Signal<bool>,
    pub(super) order: Option<(&'static str, bool)>,
    pub(super) search: &'static str,
}

impl Board {
    fn new(plan: &Plan) -> Self {
        let hold = Hold::expect();
        let (items, order, can_pick) = (plan.items, plan.order, plan.bulk.is_some());
        let query = query::in_address(plan.prefix, &plan.filters);
        let columns = StoredValue::new(plan.columns.clone());
        let filters = StoredValue::new(plan.filters.clone());
        let selection = Selection::new();
        let admitted = RwSignal::new(0);
        let all = Memo::new_with_compare(
            move |before: Option<&Arc<Vec<Line>>>| {
                let before = before.map(|before| before.as_slice()).unwrap_or_default();
                Arc::new(items.with(|items| lines(before, items)))
            },
            |_, _| true,
        );
        let stands = Memo::new(move |_| selection.ids.with(|ids| !ids.is_empty()));
        let listed = Memo::new_with_compare(
            move |before: Option<&Listed>| {
                // A menu or a dialog is open: nothing moves below it.
                if let (true, Some(before)) = (hold.is_held(), before) {
                    return before.clone();
                }
                let (query, admitted, stands) = (query.get(), admitted.get(), stands.get());
                all.with(|all| {
                    columns.with_value(|columns| {
                        filters.with_value(|filters| {
                            let wanted =
                                Wanted { lines: all, columns, filters, query: &query, order, stands, admitted };
                            Listed::next(before, &wanted)
                        })
                    })
                })
            },
            |_, _| true,
        );
        Effect::new(move |_| all.with(|all| selection.keep(all)));
        Effect::new(move |warmed: Option<bool>| {
            let there = all.with(|all| !all.is_empty());
            if there && warmed != Some(true) {
                prepare(all, columns, 0);
            }
            there
        });
        Self {
            id: plan.id,
            noun: plan.noun,
            items,
            columns,
            filters,
            chosen: columns::chosen(plan.id, &plan.columns),
            query,
            listed,
            selection,
            admitted,
            menu: plan.menu,
            bulk: plan.bulk,
            picks: Memo::new(move |_| can_pick && may_write()),
            narrow: narrow(),
            order,
            search: plan.search,
        }
    }

    /// Keys and kinds of the columns in view, in the plan's order.
    pub(super) fn shown(self) -> Vec<Shown> {
        self.chosen.with(|chosen| {
            let shown = |column: &&Shown| chosen.contains(&column.key);
            self.columns.with_value(|columns| columns.iter().filter(shown).cloned().collect())
        })
    }
}

/// Makes the texts that are searched a few at a time, so that the first letter of a search in ten thousand rows does not
/// wait for all of them.
fn prepare(all: Memo<Arc<Vec<Line>>>, columns: StoredValue<Vec<Shown>>, from: usize) {
    let some = move || {
        // The table may be gone.
        let Some(lines) = all.try_get_untracked() else { return };
        let to = lines.len().min(from + PREPARED_AT_ONCE);
        let done = columns.try_with_value(|columns| {
            lines.iter().take(to).skip(from).for_each(|line| _ = line.text(columns));
        });
        if done.is_some() && to < lines.len() {
            prepare(all, columns, to);
        }
    };
    set_timeout(some, PREPARED_EVERY);
}

#[component]
pub(crate) fn Grid(plan: Plan) -> impl IntoView {
    let board = Board::new(&plan);
    provide_context(TableQuery(board.query));
    let (state, retry) = (plan.state, plan.retry);
    let (empty, caption, lead) = (plan.empty, plan.caption, plan.lead);
    let is_empty = Memo::new(move |_| board.items.with(|items| items.is_empty()));
    // What stands there instead of a table.
    let instead = Memo::new(move |_| is_empty.get().then(|| state.get()));
    let again = move || {
        retry.map(|retry| view! { <button type="button" on:click=move |_| retry.run(())>{tr("Try again")}</button> })
    };
    let failed = move |error: ApiError| view! { <Failure error=Signal::stored(Some(error)) />{again()} };
    let old = move || match state.get() {
        ListState::Failed(error) => Some(view! { <div class="card">{failed(error)}</div> }),
        ListState::Loading | ListState::Ready => None,
    };
    move || match instead.get() {
        Some(ListState::Loading) => view! { <section class="card"><Skeleton lines=10 /></section> }.into_any(),
        Some(ListState::Failed(error)) => view! { <section class="card empty">{failed(error)}</section> }.into_any(),
        Some(ListState::Ready) => empty.run(),
        None => view! {
            {old}
            <Toolbar board lead=lead.clone() />
            {board.bulk.map(|entries| view! { <BulkBar board entries /> })}
            <Sheet board caption />
        }
        .into_any(),
    }
}

/// The rows in view below their heads.
#[component]
fn Sheet(board: Board, caption: &'static str) -> impl IntoView {
    let frame = NodeRef::<html::Div>::new();
    let count = Memo::new(move |_| board.listed.with(|listed| listed.lines.len()));
    let span = in_view(frame, count, board.narrow);
    let drawn = Memo::new(move |_| {
        let (first, last) = span.get();
        board.listed.with(|listed| {
            let last = last.min(listed.lines.len());
            (first..last).map(|index| (index, listed.lines[index].item().clone())).collect::<Vec<_>>()
        })
    });
    // No more than there are: those beyond would take the room of the first column.
    let columns = move || {
        let shown = if board.narrow.get() { 1 } else { board.chosen.with(Vec::len) };
        shown + usize::from(board.picks.get()) + usize::from(board.menu.is_some())
    };
    let gap = move |rows: usize| {
        #[expect(clippy::cast_precision_loss, reason = "a list has far fewer than 2^52 rows")]
        let pixels = rows as f64 * row_pixels(board.narrow.get());
        (rows > 0).then(|| view! { <tr class="gap" aria-hidden="true"><td colspan=columns() style=format!("height:{pixels}px")></td></tr> })
    };
    let above = move || gap(span.get().0.min(count.get()));
    let below = move || gap(count.get().saturating_sub(span.get().1));
    let nothing = Memo::new(move |_| count.get() == 0);
    let clear = move |_| board.query.update(|query| *query = Query { order: query.order.take(), ..Query::default() });
    let row = move |(index, item): (usize, Item)| view! { <RowView board drawn index id=item.id.clone() item /> };
    let least = move || {
        let shown = board.shown();
        let widths = shown.iter().enumerate().map(|(index, column)| columns::width(index, column));
        let besides =
            if board.picks.get() { PICK_PIXELS } else { 0 } + if board.menu.is_some() { ACT_PIXELS } else { 0 };
        format!("min-width:{}px", if board.narrow.get() { 0 } else { widths.sum::<u32>() + besides })
    };
    view! {
        <section class="card tablecard" aria-label=tr(caption)>
            <div class="sheet" node_ref=frame tabindex="-1" on:keydown=|event| move_between_rows(&event)>
                <table class="grid" class:narrow=move || board.narrow.get() style=least aria-rowcount=move || count.get() + 1>
                    <caption class="sr-only">{tr(caption)}</caption>
                    {move || (!board.narrow.get()).then(|| view! { <Heads board /> })}
                    <tbody>
                        {above}
                        <For each=move || drawn.get() key=|(_, item)| item.id.clone() children=row />
                        {below}
                    </tbody>
                </table>
            </div>
            {move || nothing.get().then(|| view! {
                <div class="nothing">
                    <p class="calm dim">{tr("Nothing matches what you are looking for.")}</p>
                    <button type="button" on:click=clear>{tr("Show all")}</button>
                </div>
            })}
        </section>
    }
}

#[component]
fn Heads(board: Board) -> impl IntoView {
    let has_menu = board.menu.is_some();
    let widths = move || {
        let shown = board.shown();
        let width = |(index, column): (usize, &Shown)| match index {
            0 => view! { <col /> }.into_any(),
            _ => view! { <col style=format!("width:{}px", columns::width(index, column)) /> }.into_any(),
        };
        shown.iter().enumerate().map(width).collect_view()
    };
    let all = Memo::new(move |_| board.listed.with(|listed| board.selection.has_all(&listed.lines)));
    let toggle_all = move |_| board.listed.with_untracked(|listed| board.selection.toggle_all(&listed.lines));
    let pick = move || {
        board.picks.get().then(|| {
            view! {
                <th class="pick">
                    <input type="checkbox" aria-label=tr("Select all") prop:checked=move || all.get() on:change=toggle_all />
                </th>
            }
        })
    };
    let heads = move || board.shown().into_iter().map(|column| view! { <Head board column /> }).collect_view();
    view! {
        <colgroup>
            {move || board.picks.get().then(|| view! { <col class="pick" /> })}
            {widths}
            {has_menu.then(|| view! { <col class="act" /> })}
        </colgroup>
        <thead>
            <tr aria-rowindex="1">
                {pick}
                {heads}
                {has_menu.then(|| view! { <th class="act"><span class="sr-only">{tr("Actions")}</span></th> })}
            </tr>
        </thead>
    }
}

#[component]
fn Head(board: Board, column: Shown) -> impl IntoView {
    let (key, label) = (column.key, column.label);
    let direction = Memo::new(move |_| {
        let chosen = board.query.with(|query| query.order.clone());
        let (by, descending) = chosen.or_else(|| board.order.map(|(key, descending)| (key.to_owned(), descending)))?;
        (by == key).then_some(descending)
    });
    let sorted = move || direction.get().map(|descending| if descending { "descending" } else { "ascending" });
    let icon = move || direction.get().map(|descending| if descending { Icon::Down } else { Icon::Up });
    let is_number = matches!(column.kind, Kind::Number | Kind::Bytes);
    // The own order counts as chosen: the first click on its column turns it round.
    let sort = move |_| {
        board.query.update(|query| {
            if query.order.is_none() {
                query.order = board.order.map(|(key, descending)| (key.to_owned(), descending));
            }
            query.sort(key);
        });
    };
    view! {
        <th scope="col" class:num=is_number aria-sort=sorted>
            <button type="button" class="sort" on:click=sort>
                {tr(label)}
                {move || icon().map(|icon| view! { <Pictogram icon /> })}
            </button>
        </th>
    }
}

/// How many rows there are, and how many of them are listed.
pub(super) fn counted(board: Board) -> String {
    let (listed, all) = (board.listed.with(|listed| listed.lines.len()), board.items.with(|items| items.len()));
    if listed == all {
        return words::grouped(all);
    }
    words::fill("{} of {}", &[&words::grouped(listed), &words::grouped(all)])
}

/// Classes and content of a cell.
pub(super) fn drawn_cell(column: &Shown, item: &Item, is_first: bool) -> AnyView {
    // What does not fit is read on hover.
    let title = match (column.value)(item) {
        Value::Text(text) if text.chars().count() > TITLED => Some(text),
        _ => None,
    };
    view! { <td class=cell::class(column.kind, is_first) title=title>{cell::cell(column, item)}</td> }.into_any()
}
