//! A schedule as it is typed.

use leptos::prelude::*;

#[component]
pub(crate) fn CronField(id: String, value: RwSignal<String>) -> impl IntoView {
    view! { <input id=id class="mono" spellcheck="false" autocapitalize="off" placeholder="0 2 * * *" bind:value=value /> }
}
