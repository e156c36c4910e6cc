//! What runs the engines and replicas of each node.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn InstanceManagersPage() -> impl IntoView {
    titled(|| tr("Instance managers").to_owned());
    view! { <PageHead title=tr("Instance managers") /> }
}
