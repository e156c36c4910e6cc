//! What is done to volumes again and again.

use leptos::prelude::*;

use super::titled;
use crate::components::icon::{Icon, Pictogram};
use crate::components::page::PageHead;
use crate::components::table::DataTable;
use crate::live::follow;
use crate::panels::recurring_jobs::{ask_create, bulk, columns, entries, filters};
use crate::role;
use crate::words::tr;

#[component]
pub(crate) fn RecurringJobsPage() -> impl IntoView {
    titled(|| tr("Recurring jobs").to_owned());
    let jobs = follow("recurringjobs");
    view! {
        <PageHead title=tr("Recurring jobs") actions=|| view! { <Create /> } />
        <DataTable
            id="recurring-jobs"
            caption="Recurring jobs"
            rows=Signal::derive(move || jobs.all())
            state=Signal::derive(move || jobs.state())
            columns=columns()
            filters=filters()
            menu=Callback::new(|job| entries(&job))
            bulk=Callback::new(bulk)
            retry=Callback::new(move |()| jobs.refresh())
            empty=empty
        />
    }
}

#[component]
fn Create() -> impl IntoView {
    view! {
        <Show when=role::may_write>
            <button type="button" class="primary" on:click=|_| ask_create()>
                <Pictogram icon=Icon::Plus />
                {tr("New job")}
            </button>
        </Show>
    }
}

fn empty() -> AnyView {
    view! {
        <section class="card empty">
            <h2 class="title">{tr("Nothing is done by itself yet")}</h2>
            <p class="dim">{tr("A recurring job takes snapshots, backs up, cleans up or trims at times that you choose, and keeps as many as you say.")}</p>
            <Create />
        </section>
    }
    .into_any()
}
