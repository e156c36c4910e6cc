//! The row menu: a button that opens a list of entries. Entries that can't be chosen now say why.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent};

use super::icon::{Icon, Pictogram};
use crate::dialogs;
use crate::hold::Hold;

/// One entry. `refusal` is the reason why it can't be chosen now.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) label: String,
    pub(crate) refusal: Option<String>,
    pub(crate) danger: bool,
    pub(crate) choose: Callback<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Down,
    Up,
}

const WIDTH_PIXELS: f64 = 240.0;
const ENTRY_PIXELS: f64 = 48.0;
const GAP_PIXELS: f64 = 4.0;

#[component]
pub(crate) fn Menu(
    /// Says what the menu is about: "Actions for mysql-data".
    #[prop(into)]
    label: String,
    /// Words on the button; without them it shows three dots.
    #[prop(optional, into)]
    text: Option<String>,
    /// Asked for each time the menu opens.
    entries: Callback<(), Vec<Entry>>,
) -> impl IntoView {
    let button = NodeRef::<html::Button>::new();
    let open = RwSignal::new(false);
    let position = RwSignal::new(String::new());
    let settle = Callback::new(move |()| {
        if let Some(button) = button.get_untracked() {
            position.set(place(&button, entries.run(()).len()));
        }
    });
    let close = Callback::new(move |()| {
        open.set(false);
        if let Some(button) = button.get_untracked() {
            _ = button.focus();
        }
    });
    let toggle = move |_| {
        settle.run(());
        open.update(|open| *open = !*open);
    };
    let with_words = text.is_some();
    view! {
        <button
            node_ref=button
            type="button"
            class:ghost=!with_words
            class:square=!with_words
            aria-label=label.clone()
            aria-haspopup="menu"
            aria-expanded=move || open.get().to_string()
            on:click=toggle
        >
            {text}
            <Pictogram icon=Icon::More />
        </button>
        {move || open.get().then(|| view! { <List position label=label.clone() entries=entries.run(()) settle close /> })}
    }
}

#[component]
fn List(
    position: RwSignal<String>,
    label: String,
    entries: Vec<Entry>,
    settle: Callback<()>,
    close: Callback<()>,
) -> impl IntoView {
    Hold::expect().while_mounted();
    let list = NodeRef::<html::Div>::new();
    list.on_load(|list| focus_entry(&list, Direction::Down));
    follow_the_outside(list, settle, close);
    let keys = move |event: KeyboardEvent| {
        let Some(list) = list.get_untracked() else { return };
        let direction = match event.key().as_str() {
            "ArrowDown" => Direction::Down,
            "ArrowUp" => Direction::Up,
            "Escape" | "Tab" => {
                event.prevent_default();
                event.stop_propagation();
                close.run(());
                return;
            }
            _ => return,
        };
        event.prevent_default();
        focus_entry(&list, direction);
    };
    let entry = move |entry: Entry| {
        let Entry { label, refusal, danger, choose } = entry;
        let refused = refusal.is_some();
        let reason = refusal.clone().map(|refusal| view! { <span class="xs">{refusal}</span> });
        let pick = move |_| {
            if !refused {
                close.run(());
                dialogs::outlive(|| choose.run(()));
            }
        };
        view! {
            <button
                type="button"
                role="menuitem"
                class:danger-text=danger
                aria-disabled=refused.to_string()
                title=refusal
                on:click=pick
            >
                {label}
                {reason}
            </button>
        }
    };
    view! {
        <div node_ref=list class="menu" role="menu" aria-label=label style=move || position.get() on:keydown=keys>
            {entries.into_iter().map(entry).collect_view()}
        </div>
    }
}

/// Below the button, right edges aligned, above it where there is no room below. Fixed, so that no card cuts it off.
fn place(button: &HtmlElement, entries: usize) -> String {
    let edge = button.get_bounding_client_rect();
    let size =
        |value: Result<wasm_bindgen::JsValue, _>| value.ok().and_then(|value| value.as_f64()).unwrap_or(f64::MAX);
    let (width, height) = (size(window().inner_width()), size(window().inner_height()));
    let right = (width - edge.right()).clamp(GAP_PIXELS, (width - WIDTH_PIXELS - GAP_PIXELS).max(GAP_PIXELS));
    #[expect(clippy::cast_precision_loss, reason = "a menu has a handful of entries")]
    let needed = entries as f64 * ENTRY_PIXELS;
    let (below, above) = (height - edge.bottom() - 2.0 * GAP_PIXELS, edge.top() - 2.0 * GAP_PIXELS);
    if needed > below && above > below {
        format!("right:{right:.0}px;bottom:{:.0}px;max-height:{above:.0}px", height - edge.top() + GAP_PIXELS)
    } else {
        format!("right:{right:.0}px;top:{:.0}px;max-height:{below:.0}px", edge.bottom() + GAP_PIXELS)
    }
}

/// Moves the focus to the next entry, round the ends; without one that has it, to the first.
fn focus_entry(list: &HtmlElement, direction: Direction) {
    let focused =
        document().active_element().filter(|element| list.contains(Some(element)) && !element.is_same_node(Some(list)));
    let next = match (focused, direction) {
        (None, _) => list.first_element_child(),
        (Some(entry), Direction::Down) => entry.next_element_sibling().or_else(|| list.first_element_child()),
        (Some(entry), Direction::Up) => entry.previous_element_sibling().or_else(|| list.last_element_child()),
    };
    if let Some(entry) = next.and_then(|entry| entry.dyn_into::<HtmlElement>().ok()) {
        _ = entry.focus();
    }
}

/// A press elsewhere closes it; when the page scrolls or turns, it stays at its button.
fn follow_the_outside(list: NodeRef<html::Div>, settle: Callback<()>, close: Callback<()>) {
    let pressed = window_event_listener(ev::pointerdown, move |event| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        let inside = list.get_untracked().is_some_and(|list| list.contains(target.as_ref()));
        let own_button = target.and_then(|target| target.dyn_into::<web_sys::Element>().ok()).is_some_and(|element| {
            element.closest("[aria-haspopup=menu][aria-expanded=true]").ok().flatten().is_some()
        });
        if !inside && !own_button {
            close.run(());
        }
    });
    let resized = window_event_listener(ev::resize, move |_| settle.run(()));
    let scrolled = window_event_listener(ev::scroll, move |_| settle.run(()));
    on_cleanup(move || {
        pressed.remove();
        resized.remove();
        scrolled.remove();
    });
}
