//! Why a volume is not as wished, with the next step and how far the repair is.

use std::sync::Arc;

use aurochs_api::cause::Cause;
use aurochs_api::volume::Volume;
use leptos::prelude::*;

use crate::components::badge::Badge;
use crate::components::bar::Progress;
use crate::components::places::Places;
use crate::model::rebuild::Rebuild;
use crate::words;

#[component]
pub(crate) fn WhyPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let causes = Memo::new(move |_| volume.get().map(|volume| volume.causes.clone()).unwrap_or_default());
    let rebuilds = Memo::new(move |_| volume.get().map(|volume| Rebuild::running(&volume)).unwrap_or_default());
    let nothing = move || causes.with(Vec::is_empty) && rebuilds.with(Vec::is_empty);
    let worst = move || causes.with(|causes| causes.iter().map(|cause| cause.severity).max());
    let tone = move || worst().map_or("progress", |severity| words::Mark::from(severity).class());
    view! {
        <Show when=move || !nothing()>
            <section class=move || format!("card why edge-{}", tone()) aria-label="Why" data-testid="why">
                {move || causes.get().into_iter().map(|cause| view! { <Reason cause /> }).collect_view()}
                {move || rebuilds.get().into_iter().map(|rebuild| view! { <Repair rebuild /> }).collect_view()}
            </section>
        </Show>
    }
}

#[component]
fn Reason(cause: Cause) -> impl IntoView {
    let (mark, words) = (words::Mark::of(&cause), words::cause(cause.code).to_owned());
    let next_step = (!cause.next_step.is_empty()).then(|| view! { <div class="next">{cause.next_step}</div> });
    view! {
        <div class="attn">
            <Badge mark=Signal::stored(mark) text=words />
            <div>
                <strong>{cause.message}</strong>
                {next_step}
                <Places details=cause.details />
            </div>
        </div>
    }
}

#[component]
fn Repair(rebuild: Rebuild) -> impl IntoView {
    let what =
        if rebuild.node.is_empty() { "Rebuilding".to_owned() } else { format!("Rebuilding on {}", rebuild.node) };
    let transferred = words::transferred(rebuild.done, rebuild.planned, rebuild.bytes_per_second);
    let left = rebuild.seconds_left().map(|left| view! { <strong>{words::span(left)}</strong>" left" });
    view! {
        <div class="repair">
            <span>{what.clone()}<span class="dim">" · "{rebuild.percent}" % · "{transferred}</span></span>
            <span class="num">{left}</span>
            <Progress percent=Signal::stored(rebuild.percent) label=what />
        </div>
    }
}
