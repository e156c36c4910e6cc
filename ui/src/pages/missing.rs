//! An address that is no page.

use leptos::prelude::*;

use super::titled;
use crate::words::tr;

#[component]
pub(crate) fn MissingPage() -> impl IntoView {
    titled(|| tr("Not found").to_owned());
    view! {
        <section class="card empty">
            <h1>{tr("There is no such page")}</h1>
            <p class="dim">{tr("The address may have a typing error.")}</p>
            <div><a class="button" href="./">{tr("Go to the dashboard")}</a></div>
        </section>
    }
}
