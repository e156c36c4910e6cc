//! Data and processes that nothing belongs to.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn OrphansPage() -> impl IntoView {
    titled(|| tr("Orphans").to_owned());
    view! { <PageHead title=tr("Orphans") /> }
}
