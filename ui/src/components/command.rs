//! A command or address to take along.

use std::time::Duration;

use leptos::html;
use leptos::prelude::*;

use super::icon::{Icon, Pictogram};
use crate::words::{fill, tr};

/// A read-only field: it can be selected and scrolled, and a button copies it.
#[component]
pub(crate) fn Command(
    /// Says what it is: "Device".
    #[prop(into)]
    label: String,
    #[prop(into)] text: Signal<String>,
) -> impl IntoView {
    let field = NodeRef::<html::Input>::new();
    let copied = RwSignal::new(false);
    let copy = move |_| {
        if copy_text(&text.get_untracked()) {
            copied.set(true);
            set_timeout(move || _ = copied.try_set(false), Duration::from_secs(2));
        } else if let Some(field) = field.get_untracked() {
            // Without a secure context there is no clipboard: it is selected, ready for the keyboard.
            field.select();
        }
    };
    let icon = move || if copied.get() { Icon::Check } else { Icon::Copy };
    let copy_label = fill("Copy {}", &[&label.to_lowercase()]);
    view! {
        <span class="command">
            <input
                node_ref=field
                class="mono"
                readonly
                aria-label=label
                prop:value=move || text.get()
                title=move || text.get()
            />
            <button type="button" class="ghost square" aria-label=copy_label on:click=copy>
                {move || view! { <Pictogram icon=icon() /> }}
            </button>
            <span class="sr-only" role="status">{move || copied.get().then(|| tr("Copied"))}</span>
        </span>
    }
}

pub(crate) fn copy_text(text: &str) -> bool {
    let navigator = window().navigator();
    let there = js_sys::Reflect::get(&navigator, &"clipboard".into()).is_ok_and(|clipboard| !clipboard.is_undefined());
    if there {
        // Nobody waits for the promise: the browser only refuses without a click, and this is one.
        _ = navigator.clipboard().write_text(text);
    }
    there
}
