//! What takes long: running and done.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn JobsPage() -> impl IntoView {
    titled(|| tr("Jobs").to_owned());
    view! { <PageHead title=tr("Jobs") /> }
}
