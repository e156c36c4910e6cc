//! Who changed what.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn AuditPage() -> impl IntoView {
    titled(|| tr("Audit").to_owned());
    view! { <PageHead title=tr("Audit") /> }
}
