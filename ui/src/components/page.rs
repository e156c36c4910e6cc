//! How a page begins, and what it is made of.

use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::{use_location, use_query_map};
use wasm_bindgen::JsCast;

use crate::words::tr;

/// Pixels of the tab before that stay in view.
const BEFORE_TAB: i32 = 48;

/// The title of a page with the way back and what can be done.
#[component]
pub(crate) fn PageHead(
    /// Already translated.
    #[prop(into)]
    title: Signal<String>,
    /// Address and name (English) of the pages above.
    #[prop(optional)]
    crumbs: Vec<(&'static str, &'static str)>,
    /// Beside the title: how many, which state.
    #[prop(optional, into)]
    note: ViewFn,
    /// At the right: buttons.
    #[prop(optional, into)]
    actions: ViewFn,
) -> impl IntoView {
    let crumb = |(href, label): (&'static str, &'static str)| {
        view! { <a class="dim crumb" href=href>{tr(label)}</a><span class="dim" aria-hidden="true">"/"</span> }
    };
    view! {
        <div class="head">
            {crumbs.into_iter().map(crumb).collect_view()}
            <h1>{move || title.get()}</h1>
            {note.run()}
            <div class="right">{actions.run()}</div>
        </div>
    }
}

/// One of several views of a page; which one stands in the address as `?tab=`.
#[derive(Clone)]
pub(crate) struct Tab {
    pub(crate) key: &'static str,
    /// English.
    pub(crate) label: &'static str,
    pub(crate) view: ViewFn,
}

/// The first one is shown when the address names none.
#[component]
pub(crate) fn Tabs(tabs: Vec<Tab>) -> impl IntoView {
    let query = use_query_map();
    let tabs = StoredValue::new(tabs);
    let chosen = Memo::new(move |_| {
        let key = query.with(|query| query.get("tab")).unwrap_or_default();
        tabs.with_value(|tabs| tabs.iter().position(|tab| tab.key == key)).unwrap_or_default()
    });
    let path = use_location().pathname;
    // On a phone the chosen one may stand beyond the edge.
    let row = NodeRef::<html::Nav>::new();
    Effect::new(move |_| {
        chosen.track();
        let Some(row) = row.get() else { return };
        let tab = row.query_selector("[aria-current]").ok().flatten();
        if let Some(tab) = tab.and_then(|tab| tab.dyn_into::<web_sys::HtmlElement>().ok()) {
            row.set_scroll_left(tab.offset_left() - row.offset_left() - BEFORE_TAB);
        }
    });
    let link = move |(index, tab): (usize, Tab)| {
        // A bare query would be one of the document's base.
        let href = move || format!("{}?tab={}", path.get(), tab.key);
        let current = move || (chosen.get() == index).then_some("page");
        view! { <a class="tab" href=href aria-current=current>{tr(tab.label)}</a> }
    };
    view! {
        <nav node_ref=row class="tabs" aria-label=tr("Views")>{tabs.get_value().into_iter().enumerate().map(link).collect_view()}</nav>
        {move || tabs.with_value(|tabs| tabs.get(chosen.get()).map(|tab| tab.view.run()))}
    }
}

/// A card with a title.
#[component]
pub(crate) fn Section(
    /// English.
    title: &'static str,
    /// At the right of the title.
    #[prop(optional, into)]
    actions: ViewFn,
    children: Children,
) -> impl IntoView {
    view! {
        <section class="card" aria-label=tr(title)>
            <div class="head"><h2 class="title">{tr(title)}</h2><div class="right">{actions.run()}</div></div>
            {children()}
        </section>
    }
}
