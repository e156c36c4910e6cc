//! Versions of the engine.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn EngineImagesPage() -> impl IntoView {
    titled(|| tr("Engine images").to_owned());
    view! { <PageHead title=tr("Engine images") /> }
}
