//! How the installation behaves.

use leptos::prelude::*;

use super::titled;
use crate::components::page::PageHead;
use crate::words::tr;

#[component]
pub(crate) fn SettingsPage() -> impl IntoView {
    titled(|| tr("Settings").to_owned());
    view! { <PageHead title=tr("Settings") /> }
}
