//! What to send when asking for help.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn SupportPage() -> impl IntoView {
    titled(|| tr("Support").to_owned());
    view! { <PageHead title=tr("Support") /> }
}
