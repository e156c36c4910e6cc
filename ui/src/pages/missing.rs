//! An address that is no page.

use leptos::prelude::*;

use super::titled;

#[component]
pub(crate) fn MissingPage() -> impl IntoView {
    titled(|| crate::words::tr("Not found").to_owned());
    view! {
        <section class="card empty">
            <h1>"There is no such page"</h1>
            <p class="dim">"The address may have a typing error."</p>
            <div><a class="button" href="./">"Go to the dashboard"</a></div>
        </section>
    }
}
