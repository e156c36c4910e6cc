//! Read-only bases of volumes, and their backups.

use leptos::prelude::*;

use super::titled;
use crate::components::icon::{Icon, Pictogram};
use crate::components::page::{PageHead, Tab, Tabs};
use crate::components::table::DataTable;
use crate::live::{Live, follow};
use crate::panels::backing_images::{
    ask_create, backup_bulk, backup_columns, backup_entries, bulk, columns, entries, filters,
};
use crate::role;
use crate::words::tr;

#[component]
pub(crate) fn BackingImagesPage() -> impl IntoView {
    titled(|| tr("Backing images").to_owned());
    let tabs = vec![
        Tab { key: "images", label: "Images", view: ViewFn::from(|| view! { <Images /> }) },
        Tab { key: "backups", label: "Backups", view: ViewFn::from(|| view! { <Backups /> }) },
    ];
    view! {
        <PageHead title=tr("Backing images") actions=|| view! { <Create /> } />
        <Tabs tabs />
    }
}

#[component]
fn Create() -> impl IntoView {
    let (live, images) = (Live::expect(), follow("backingimages"));
    let names = move || untrack(|| images.all()).iter().map(|image| image.text("name").to_owned()).collect();
    view! {
        <Show when=role::may_write>
            <button type="button" class="primary" on:click=move |_| ask_create(live, names())>
                <Pictogram icon=Icon::Plus />
                {tr("New backing image")}
            </button>
        </Show>
    }
}

#[component]
fn Images() -> impl IntoView {
    let images = follow("backingimages");
    view! {
        <DataTable
            id="backing-images"
            caption="Backing images"
            rows=Signal::derive(move || images.all())
            state=Signal::derive(move || images.state())
            columns=columns()
            filters=filters()
            menu=Callback::new(|image| entries(&image))
            bulk=Callback::new(bulk)
            retry=Callback::new(move |()| images.refresh())
            empty=empty
        />
    }
}

fn empty() -> AnyView {
    view! {
        <section class="card empty">
            <h2 class="title">{tr("No backing images")}</h2>
            <p class="dim">{tr("A backing image is a base that many volumes share: an installed system, say. Each volume keeps only what it changes.")}</p>
            <Create />
        </section>
    }
    .into_any()
}

#[component]
fn Backups() -> impl IntoView {
    let backups = follow("backupbackingimages");
    view! {
        <DataTable
            id="backing-image-backups"
            caption="Backups of backing images"
            rows=Signal::derive(move || backups.all())
            state=Signal::derive(move || backups.state())
            columns=backup_columns()
            menu=Callback::new(|backup| backup_entries(&backup))
            bulk=Callback::new(backup_bulk)
            retry=Callback::new(move |()| backups.refresh())
            empty=|| view! { <section class="card"><p class="calm dim">{tr("No image is backed up.")}</p></section> }
        />
    }
}
