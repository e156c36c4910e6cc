//! Images that volumes begin with.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn BackingImagesPage() -> impl IntoView {
    titled(|| tr("Backing images").to_owned());
    view! { <PageHead title=tr("Backing images") /> }
}
