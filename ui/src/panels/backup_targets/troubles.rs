//! Targets that can't be used now, with the reason: what backups wait for.

use leptos::prelude::*;

use crate::components::causes::WhyList;
use crate::live::{Thing, follow};
use crate::words::tr;

/// `of` is empty for all targets.
#[component]
pub(crate) fn Troubles(#[prop(optional)] of: &'static str) -> impl IntoView {
    let targets = follow("backuptargets");
    let causes = Memo::new(move |_| {
        let targets = targets.all();
        let asked = targets.iter().filter(|target| of.is_empty() || target.id() == of);
        asked.flat_map(Thing::causes).collect::<Vec<_>>()
    });
    view! {
        <Show when=move || !causes.with(Vec::is_empty)>
            <section class="card why edge-faulted" aria-label=tr("Targets that can't be used")>
                {move || view! { <WhyList causes=causes.get() /> }}
            </section>
        </Show>
    }
}
