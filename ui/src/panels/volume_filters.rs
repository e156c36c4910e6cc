//! Above the list: volumes by state. A chip shows those alone.

use aurochs_api::volume::phase::Group;
use leptos::prelude::*;

use super::volume_states::counts;
use crate::components::badge::Shape;
use crate::components::table::TableQuery;
use crate::live::Live;
use crate::words;
use crate::words::tr;

#[component]
pub(crate) fn StateChips() -> impl IntoView {
    let query = TableQuery::expect();
    let counts = counts(Live::expect());
    let chosen = Memo::new(move |_| query.get("status").and_then(|key| Group::from_key(&key)));
    let choose = move |group: Option<Group>| query.choose("status", group.map_or("", Group::key));
    let chip = move |index: usize, this: Group| {
        view! {
            <button
                type="button"
                class="chip"
                aria-pressed=move || (chosen.get() == Some(this)).to_string()
                on:click=move |_| choose((chosen.get_untracked() != Some(this)).then_some(this))
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
            aria-pressed=move || chosen.get().is_none().to_string()
            on:click=move |_| choose(None)
        >
            {tr("All")}
            <span class="num">{move || words::grouped(counts.get().iter().sum())}</span>
        </button>
    };
    view! {
        <div class="chips" role="group" aria-label=tr("Filter by state")>
            {all}
            {Group::ALL.into_iter().enumerate().map(|(index, group)| chip(index, group)).collect_view()}
        </div>
    }
}
