//! The messages at the edge.

use leptos::prelude::*;

use crate::components::badge::Shape;
use crate::components::icon::{Icon, Pictogram};
use crate::notices::{Notice, NoticeKind, Notices};
use crate::words::{Mark, tr};

#[component]
pub(crate) fn NoticeList() -> impl IntoView {
    let notices = Notices::expect();
    view! {
        <div class="notices" role="log" aria-live="polite" aria-label=tr("Messages")>
            <For each=move || notices.list.get() key=|notice| notice.id let:notice>
                <OneNotice notice />
            </For>
        </div>
    }
}

#[component]
fn OneNotice(notice: Notice) -> impl IntoView {
    let notices = Notices::expect();
    let Notice { id, kind, text, next_step } = notice;
    let (mark, role) = match kind {
        NoticeKind::Done => (Mark::Healthy, "status"),
        NoticeKind::Failed => (Mark::Faulted, "alert"),
    };
    let next_step = (!next_step.is_empty()).then(|| view! { <p class="dim">{next_step}</p> });
    view! {
        <div class=format!("notice {}", mark.class()) role=role data-testid="notice">
            <Shape mark=Signal::stored(mark) />
            <div><p>{text}</p>{next_step}</div>
            <button type="button" class="ghost square" aria-label=tr("Dismiss") on:click=move |_| notices.dismiss(id)>
                <Pictogram icon=Icon::Close />
            </button>
        </div>
    }
}
