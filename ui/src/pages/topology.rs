//! Which volume has its copies where.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn TopologyPage() -> impl IntoView {
    titled(|| tr("Topology").to_owned());
    view! { <PageHead title=tr("Topology") /> }
}
