//! Where backups are kept.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn BackupTargetsPage() -> impl IntoView {
    titled(|| tr("Backup targets").to_owned());
    view! { <PageHead title=tr("Backup targets") /> }
}
