//! What happens by itself, and when.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn RecurringJobsPage() -> impl IntoView {
    titled(|| tr("Recurring jobs").to_owned());
    view! { <PageHead title=tr("Recurring jobs") /> }
}
