//! Names and values, one a line.

use leptos::prelude::*;

use crate::words::tr;

/// Labels are English; the list translates them.
#[component]
pub(crate) fn FactList(facts: Vec<(&'static str, AnyView)>) -> impl IntoView {
    let line = |(label, value): (&'static str, AnyView)| view! { <dt>{tr(label)}</dt><dd>{value}</dd> };
    view! { <dl class="kv">{facts.into_iter().map(line).collect_view()}</dl> }
}

/// A value that follows a signal, with a dash where it is empty.
pub(crate) fn fact(text: impl Fn() -> String + Send + Sync + 'static) -> AnyView {
    let shown = move || {
        let text = text();
        if text.is_empty() { "–".to_owned() } else { text }
    };
    shown.into_any()
}
