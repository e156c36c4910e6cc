//! The files in a snapshot.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn FilesPage() -> impl IntoView {
    titled(|| tr("Files").to_owned());
    view! { <PageHead title=tr("Files") /> }
}
