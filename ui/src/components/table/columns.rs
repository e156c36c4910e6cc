//! Which columns are shown: the plan's, or what somebody chose, kept in the browser.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::column::Kind;
use super::item::Shown;
use crate::components::icon::{Icon, Pictogram};
use crate::words::tr;

/// Keys of the columns in view, in their order.
pub(super) type Chosen = RwSignal<Vec<&'static str>>;

/// Pixels beside a title: the cell's edges and the arrow of the order.
const TITLE_BESIDES: u32 = 38;

fn place(table: &str) -> String {
    format!("aurochs-columns-{table}")
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// Those that are kept, else those that are not hidden. The first column is always there.
pub(super) fn chosen(table: &'static str, columns: &[Shown]) -> Chosen {
    let kept = storage().and_then(|storage| storage.get_item(&place(table)).ok().flatten());
    let is_shown = |column: &Shown| match &kept {
        Some(kept) => kept.split(',').any(|key| key == column.key),
        None => !column.hidden,
    };
    let shown = columns.iter().enumerate().filter(|(index, column)| *index == 0 || is_shown(column));
    RwSignal::new(shown.map(|(_, column)| column.key).collect())
}

/// Width in pixels that a column needs, its title included; the first gets what is left besides.
pub(super) fn width(index: usize, column: &Shown) -> u32 {
    let title = tr(column.label).chars().map(|letter| if letter.is_ascii() { 7 } else { 13 }).sum::<u32>();
    let content = match column.kind {
        _ if index == 0 => 200,
        Kind::Text => 140,
        Kind::Wide => 286,
        Kind::Long => 340,
        Kind::Number => 80,
        Kind::Bytes => 100,
        Kind::Time => 110,
        Kind::State => 130,
        Kind::Custom => 160,
    };
    content.max(title + TITLE_BESIDES)
}

/// Whether a `details` that says so is open now.
pub(super) fn is_open(event: &web_sys::Event) -> bool {
    let details = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    details.is_some_and(|details| details.has_attribute("open"))
}

#[component]
pub(super) fn Chooser(table: &'static str, columns: StoredValue<Vec<Shown>>, chosen: Chosen) -> impl IntoView {
    let toggle = move |key: &'static str| {
        let now = columns.with_value(|columns| {
            let is_on =
                |column: &&Shown| (column.key == key) != chosen.with_untracked(|chosen| chosen.contains(&column.key));
            columns.iter().filter(is_on).map(|column| column.key).collect::<Vec<_>>()
        });
        if let Some(storage) = storage() {
            // Storage may be full or forbidden; the choice then lasts until the page is left.
            _ = storage.set_item(&place(table), &now.join(","));
        }
        chosen.set(now);
    };
    let reset = move |_| {
        if let Some(storage) = storage() {
            _ = storage.remove_item(&place(table));
        }
        let shown = columns.with_value(|columns| {
            columns.iter().filter(|column| !column.hidden).map(|column| column.key).collect::<Vec<_>>()
        });
        chosen.set(shown);
    };
    let choice = move |(key, label): (&'static str, &'static str)| {
        view! {
            <label class="check small">
                <input
                    type="checkbox"
                    prop:checked=move || chosen.with(|chosen| chosen.contains(&key))
                    on:change=move |_| toggle(key)
                />
                {tr(label)}
            </label>
        }
    };
    let choices = move || {
        let choices = columns
            .with_value(|columns| columns.iter().skip(1).map(|column| (column.key, column.label)).collect::<Vec<_>>());
        choices.into_iter().map(choice).collect_view()
    };
    // What is folded is not there: labels would stand in the page twice.
    let open = RwSignal::new(false);
    view! {
        <details class="pop columns" data-testid="columns" on:toggle=move |event| open.set(is_open(&event))>
            <summary class="button ghost" title=tr("Columns")><Pictogram icon=Icon::Columns /><span>{tr("Columns")}</span></summary>
            {move || open.get().then(|| view! {
                <div class="panel">
                    {choices()}
                    <button type="button" class="ghost" on:click=reset>{tr("As at first")}</button>
                </div>
            })}
        </details>
    }
}
