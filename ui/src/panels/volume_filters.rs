//! Above the list: which volumes are in it.

use leptos::prelude::*;

use super::volume_states::counts;
use crate::components::badge::Shape;
use crate::components::icon::{Icon, Pictogram};
use crate::live::Live;
use crate::model::phase::Group;
use crate::words;

#[component]
pub(crate) fn VolumeFilters(
    #[prop(into)] group: Signal<Option<Group>>,
    choose: Callback<Option<Group>>,
    text: RwSignal<String>,
) -> impl IntoView {
    let counts = counts(Live::expect());
    let chip = move |index: usize, this: Group| {
        view! {
            <button
                type="button"
                class="chip"
                aria-pressed=move || (group.get() == Some(this)).to_string()
                on:click=move |_| choose.run((group.get_untracked() != Some(this)).then_some(this))
                data-testid=format!("filter-{}", this.key())
            >
                <Shape mark=Signal::stored(this.into()) />
                {words::group(this)}
                <span class="num">{move || words::grouped(counts.get()[index])}</span>
            </button>
        }
    };
    let all = view! {
        <button
            type="button"
            class="chip"
            aria-pressed=move || group.get().is_none().to_string()
            on:click=move |_| choose.run(None)
        >
            "All"
            <span class="num">{move || words::grouped(counts.get().iter().sum())}</span>
        </button>
    };
    view! {
        <div class="filters">
            <div class="chips" role="group" aria-label="Filter by state">
                {all}
                {Group::ALL.into_iter().enumerate().map(|(index, group)| chip(index, group)).collect_view()}
            </div>
            <label class="search">
                <Pictogram icon=Icon::Search />
                <input type="search" aria-label="Filter by name" placeholder="Filter by name" spellcheck="false" bind:value=text />
            </label>
        </div>
    }
}
