//! One node.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn NodePage() -> impl IntoView {
    titled(|| tr("Node").to_owned());
    view! { <PageHead title=tr("Node") /> }
}
