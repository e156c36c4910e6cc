//! Place holders with the size of what comes, so that nothing jumps when it does.

use leptos::prelude::*;

#[component]
pub(crate) fn Skeleton(
    /// Lines of text.
    lines: usize,
) -> impl IntoView {
    view! {
        <div class="skeleton" aria-hidden="true">
            {(0..lines).map(|_| view! { <i></i> }).collect_view()}
        </div>
    }
}
