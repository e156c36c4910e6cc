//! Where backups go.

use leptos::prelude::*;

use super::titled;
use crate::components::icon::{Icon, Pictogram};
use crate::components::page::PageHead;
use crate::components::table::DataTable;
use crate::live::follow;
use crate::panels::backup_targets::{Troubles, ask_create, bulk, columns, entries};
use crate::role;
use crate::words::tr;

#[component]
pub(crate) fn BackupTargetsPage() -> impl IntoView {
    titled(|| tr("Backup targets").to_owned());
    let targets = follow("backuptargets");
    view! {
        <PageHead title=tr("Backup targets") actions=actions />
        <Troubles />
        <DataTable
            id="backup-targets"
            caption="Backup targets"
            rows=Signal::derive(move || targets.all())
            state=Signal::derive(move || targets.state())
            columns=columns()
            menu=Callback::new(|target| entries(&target))
            bulk=Callback::new(bulk)
            retry=Callback::new(move |()| targets.refresh())
            empty=|| view! { <p class="calm dim">{tr("There is no target yet.")}</p> }
        />
    }
}

fn actions() -> AnyView {
    view! {
        <Show when=role::may_write>
            <button type="button" class="primary" on:click=|_| ask_create()>
                <Pictogram icon=Icon::Plus />
                {tr("New target")}
            </button>
        </Show>
    }
    .into_any()
}
