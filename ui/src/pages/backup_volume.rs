//! The backups of one volume.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn BackupVolumePage() -> impl IntoView {
    titled(|| tr("Backups").to_owned());
    view! { <PageHead title=tr("Backups") /> }
}
