//! What can be done with the selected volumes together.

use std::collections::BTreeSet;

use leptos::prelude::*;

use crate::live::Live;
use crate::model::action::{Action, refusal};
use crate::words;

#[component]
pub(crate) fn BulkBar(selected: RwSignal<BTreeSet<String>>) -> impl IntoView {
    let button = move |action: Action| view! { <BulkButton action selected /> };
    view! {
        <div class="bulk" class:empty=move || selected.with(BTreeSet::is_empty) role="toolbar" aria-label="Selected volumes">
            <strong>{move || format!("{} selected", selected.with(BTreeSet::len))}</strong>
            {[Action::Attach, Action::Detach, Action::Delete].into_iter().map(button).collect_view()}
            <button type="button" class="clear" on:click=move |_| selected.set(BTreeSet::new())>"Clear"</button>
        </div>
    }
}

/// Off as soon as one of the selected volumes can't take part, with the name of that one.
#[component]
fn BulkButton(action: Action, selected: RwSignal<BTreeSet<String>>) -> impl IntoView {
    let live = Live::expect();
    let reason = Memo::new(move |_| {
        let names = selected.get();
        let volumes = names.iter().filter_map(|name| live.volumes.get(name));
        let refused = |volume: std::sync::Arc<_>| {
            refusal(action, &volume).map(|why| format!("{}: {}", volume.name, words::refusal(why)))
        };
        volumes.into_iter().find_map(refused)
    });
    let ask = move |_| {
        let volumes: Vec<String> = selected.get_untracked().into_iter().collect();
        crate::dialogs::volume::ask(action, volumes);
    };
    view! {
        <button type="button" disabled=move || reason.get().is_some() title=move || reason.get() on:click=ask>
            {words::action(action)}
        </button>
    }
}
