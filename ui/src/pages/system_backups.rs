//! Backups of the system's configuration, and what was restored of them.

use leptos::prelude::*;

use super::titled;
use crate::components::icon::{Icon, Pictogram};
use crate::components::page::{PageHead, Tab, Tabs};
use crate::components::table::DataTable;
use crate::live::follow;
use crate::panels::backup_targets::Troubles;
use crate::panels::system_backups::{
    ask_create, backup_bulk, backup_columns, backup_entries, filters, restore_bulk, restore_columns, restore_entries,
};
use crate::role;
use crate::words::tr;

#[component]
pub(crate) fn SystemBackupsPage() -> impl IntoView {
    titled(|| tr("System backups").to_owned());
    let tabs = vec![
        Tab { key: "backups", label: "Backups", view: ViewFn::from(|| view! { <Backups /> }) },
        Tab { key: "restores", label: "Restores", view: ViewFn::from(|| view! { <Restores /> }) },
    ];
    view! {
        <PageHead title=tr("System backups") actions=|| view! { <Create /> } />
        <Troubles of="default" />
        <Tabs tabs />
    }
}

#[component]
fn Create() -> impl IntoView {
    view! {
        <Show when=role::may_write>
            <button type="button" class="primary" on:click=|_| ask_create()>
                <Pictogram icon=Icon::Plus />
                {tr("Back up the system")}
            </button>
        </Show>
    }
}

#[component]
fn Backups() -> impl IntoView {
    let backups = follow("systembackups");
    view! {
        <DataTable
            id="system-backups"
            caption="System backups"
            rows=Signal::derive(move || backups.all())
            state=Signal::derive(move || backups.state())
            columns=backup_columns()
            filters=filters()
            menu=Callback::new(|backup| backup_entries(&backup))
            bulk=Callback::new(backup_bulk)
            retry=Callback::new(move |()| backups.refresh())
            empty=empty
        />
    }
}

fn empty() -> AnyView {
    view! {
        <section class="card empty">
            <h2 class="title">{tr("The system has not been backed up")}</h2>
            <p class="dim">{tr("A system backup holds everything but the data: with it and the volumes' backups, a new installation becomes this one.")}</p>
            <Create />
        </section>
    }
    .into_any()
}

#[component]
fn Restores() -> impl IntoView {
    let restores = follow("systemrestores");
    view! {
        <DataTable
            id="system-restores"
            caption="System restores"
            rows=Signal::derive(move || restores.all())
            state=Signal::derive(move || restores.state())
            columns=restore_columns()
            filters=filters()
            menu=Callback::new(|restore| restore_entries(&restore))
            bulk=Callback::new(restore_bulk)
            retry=Callback::new(move |()| restores.refresh())
            empty=|| view! { <section class="card"><p class="calm dim">{tr("The system was never restored here.")}</p></section> }
        />
    }
}
