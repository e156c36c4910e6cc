//! Volumes that have backups.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn BackupsPage() -> impl IntoView {
    titled(|| tr("Backups").to_owned());
    view! { <PageHead title=tr("Backups") /> }
}
