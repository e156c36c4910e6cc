//! Backups of the configuration, and what was restored of them.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn SystemBackupsPage() -> impl IntoView {
    titled(|| tr("System backups").to_owned());
    view! { <PageHead title=tr("System backups") /> }
}
