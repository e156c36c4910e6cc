//! What happened.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn EventsPage() -> impl IntoView {
    titled(|| tr("Events").to_owned());
    view! { <PageHead title=tr("Events") /> }
}
