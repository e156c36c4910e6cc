//! A state as shape, word and colour: the same everywhere.

use leptos::prelude::*;

use crate::words::Mark;

/// The shape alone, for places where the word stands beside it.
#[component]
pub(crate) fn Shape(#[prop(into)] mark: Signal<Mark>) -> impl IntoView {
    view! {
        <svg class="shape" class:turning=move || mark.get() == Mark::Progress viewBox="0 0 10 10" aria-hidden="true">
            {move || drawing(mark.get())}
        </svg>
    }
}

#[component]
pub(crate) fn Badge(#[prop(into)] mark: Signal<Mark>, #[prop(into)] text: Signal<String>) -> impl IntoView {
    view! {
        <span class=move || format!("badge {}", mark.get().class())>
            <Shape mark />
            {move || text.get()}
        </span>
    }
}

fn drawing(mark: Mark) -> AnyView {
    match mark {
        Mark::Healthy => view! { <circle cx="5" cy="5" r="5" fill="currentColor" /> }.into_any(),
        Mark::Degraded => view! {
            <circle cx="5" cy="5" r="4.2" fill="none" stroke="currentColor" stroke-width="1.6" />
            <path d="M5 .8a4.2 4.2 0 0 0 0 8.4z" fill="currentColor" />
        }
        .into_any(),
        Mark::Faulted => view! {
            <path d="M1.5 1.5l7 7m0-7l-7 7" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" />
        }
        .into_any(),
        Mark::Progress => view! {
            <path d="M5 1a4 4 0 1 1-4 4" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" />
        }
        .into_any(),
        Mark::Idle => {
            view! { <circle cx="5" cy="5" r="4" fill="none" stroke="currentColor" stroke-width="1.8" /> }.into_any()
        }
    }
}
