//! A time as people say it, with the exact one on hover.

use leptos::prelude::*;

use crate::model::time;
use crate::{clock, words};

/// `text` as the API writes times; anything else is shown as a dash.
#[component]
pub(crate) fn When(#[prop(into)] text: Signal<String>) -> impl IntoView {
    let now = clock::ticking();
    let at = Memo::new(move |_| time::parse(&text.get()));
    let age = Memo::new(move |_| at.get().map_or_else(|| "–".to_owned(), |at| words::age(now.get() - at)));
    view! { <time title=move || at.get().map(clock::wall_time)>{age}</time> }
}
