//! The arrow keys go from row to row.

use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, KeyboardEvent};

/// Moves the focus to the same control of the next row, or to its first one.
pub(super) fn move_between_rows(event: &KeyboardEvent) {
    let down = match event.key().as_str() {
        "ArrowDown" => true,
        "ArrowUp" => false,
        _ => return,
    };
    let Some(from) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
    let Some(row) = from.closest("tr").ok().flatten() else { return };
    // An open menu has the keys to itself.
    if from.closest("[role=menu]").ok().flatten().is_some() {
        return;
    }
    let next = if down { row.next_element_sibling() } else { row.previous_element_sibling() };
    let Some(next) = next.filter(|next| !next.has_attribute("aria-hidden")) else { return };
    event.prevent_default();
    let same = from.closest("td").ok().flatten().map(|cell| cell.class_name());
    let same = same.as_deref().and_then(|class| class.split(' ').next()).filter(|class| !class.is_empty());
    let wanted = same.map(|class| format!("td.{class} :is(a,button,input)"));
    let found = wanted.and_then(|wanted| next.query_selector(&wanted).ok().flatten());
    let found = found.or_else(|| next.query_selector("a,button,input").ok().flatten());
    if let Some(control) = found.and_then(|control| control.dyn_into::<HtmlElement>().ok()) {
        _ = control.focus();
    }
}
