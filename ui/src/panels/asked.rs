//! What is asked for, kept in the address: choices and texts above a list, each a key of the query.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate, use_query_map};

use crate::components::icon::{Icon, Pictogram};
use crate::words::tr;

/// Sets a key of the query and leaves the others; an empty value takes it away. Made while a component is made.
pub(crate) fn setter() -> Callback<(&'static str, String)> {
    let navigate = StoredValue::new_local(use_navigate());
    let (query, path) = (use_query_map(), use_location().pathname);
    Callback::new(move |(key, value): (&'static str, String)| {
        let mut query = query.get_untracked();
        query.remove(key);
        if !value.is_empty() {
            query.insert(key, value);
        }
        let target = format!("{}{}", path.get_untracked(), query.to_query_string());
        let options = NavigateOptions { scroll: false, replace: true, resolve: false, ..NavigateOptions::default() };
        navigate.with_value(|navigate| navigate(&target, options));
    })
}

/// The value of a key; empty where there is none.
pub(crate) fn asked(key: &'static str) -> Memo<String> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|query| query.get(key)).unwrap_or_default())
}

/// Address of what is asked for: `v1/jobs` with those of the keys that have values. A key is a pair: as it stands in the
/// page's address, and as the manager knows it.
pub(crate) fn address(base: &'static str, keys: &'static [(&'static str, &'static str)]) -> Signal<String> {
    let query = use_query_map();
    Memo::new(move |_| {
        query.with(|query| {
            let part = |(key, name): &(&'static str, &'static str)| {
                let value = query.get(key).filter(|value| !value.is_empty())?;
                Some(format!("{name}={}", String::from(js_sys::encode_uri_component(&value))))
            };
            let parts: Vec<String> = keys.iter().filter_map(part).collect();
            if parts.is_empty() { base.to_owned() } else { format!("{base}?{}", parts.join("&")) }
        })
    })
    .into()
}

/// One of several; the first choice asks for all.
#[component]
pub(crate) fn AskChoice(
    key: &'static str,
    /// Already translated.
    label: &'static str,
    /// Words on the wire and what is shown.
    #[prop(into)]
    choices: Signal<Vec<(String, String)>>,
) -> impl IntoView {
    let (value, set) = (asked(key), setter());
    let option = move |(word, shown): (String, String)| {
        let chosen = word.clone();
        view! { <option value=word selected=move || value.with(|value| *value == chosen)>{shown}</option> }
    };
    view! {
        <label class="ask">
            <span class="xs">{label}</span>
            <select
                aria-label=label
                prop:value=move || value.get()
                on:change=move |event| set.run((key, event_target_value(&event)))
            >
                <option value="">{tr("All")}</option>
                {move || choices.get().into_iter().map(option).collect_view()}
            </select>
        </label>
    }
}

/// A text; it is asked for when the field is left or Enter is pressed.
#[component]
pub(crate) fn AskText(
    key: &'static str,
    /// Already translated.
    label: &'static str,
    /// At each key, where nothing is asked of the manager.
    #[prop(optional)]
    at_once: bool,
) -> impl IntoView {
    let (value, set) = (asked(key), setter());
    let take = move |event: leptos::ev::Event| set.run((key, event_target_value(&event).trim().to_owned()));
    view! {
        <label class="search">
            <Pictogram icon=Icon::Search />
            <input
                type="search"
                aria-label=label
                placeholder=label
                spellcheck="false"
                prop:value=move || value.get()
                on:input=move |event| if at_once { take(event) }
                on:change=take
            />
        </label>
    }
}
