//! Why something is not as wished: sentence, next step, and the places that were looked at.

use aurochs_api::cause::Cause;
use leptos::prelude::*;

use super::badge::Badge;
use super::places::Places;
use crate::{clock, words};

#[component]
pub(crate) fn WhyList(causes: Vec<Cause>) -> impl IntoView {
    causes.into_iter().map(|cause| view! { <Why cause /> }).collect_view()
}

#[component]
pub(crate) fn Why(cause: Cause) -> impl IntoView {
    let (mark, words) = (words::Mark::of(&cause), words::cause(cause.code).to_owned());
    let next_step =
        (!cause.next_step.is_empty()).then(|| view! { <div class="next">{clock::localized(&cause.next_step)}</div> });
    view! {
        <div class="attn">
            <Badge mark=Signal::stored(mark) text=words />
            <div>
                <strong>{clock::localized(&cause.message)}</strong>
                {next_step}
                <Places details=cause.details />
            </div>
        </div>
    }
}
