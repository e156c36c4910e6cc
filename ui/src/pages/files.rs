//! Files inside of a snapshot or a backup.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use serde_json::{Value, json};

use super::titled;
use crate::components::page::PageHead;
use crate::components::table::DataTable;
use crate::live::{ListState, Thing};
use crate::model::order::put_in_order;
use crate::panels::files::{Choose, Folder, Place, Source, columns, crumbs, entries, go, load};
use crate::role;
use crate::words::{fill, tr};

#[component]
pub(crate) fn FilesPage() -> impl IntoView {
    titled(|| tr("Files").to_owned());
    let query = use_query_map();
    let place = Memo::new(move |_| query.with(Place::of));
    let named = Memo::new(move |_| place.with(Option::is_some));
    // Who may know that a volume exists may not therefore read what is in it.
    let barred = || {
        view! {
            <section class="card empty">
                <h2 class="title">{tr("Files are for administrators")}</h2>
                <p class="dim">{tr("Viewers see how volumes fare, and not what is in them. Ask an administrator for the file.")}</p>
            </section>
        }
    };
    view! {
        <PageHead title=tr("Files") note=move || view! { <Of place /> } />
        <Show when=|| role::session().is_some()>
            <Show when=role::is_admin fallback=barred>
                <Show when=move || named.get() fallback=|| view! { <Choose /> }>
                    <Browser place />
                </Show>
            </Show>
        </Show>
    }
}

/// Whose files they are.
#[component]
fn Of(place: Memo<Option<Place>>) -> impl IntoView {
    let words = move || {
        place.with(|place| match place.as_ref().map(|place| &place.source) {
            Some(Source::Snapshot { volume, snapshot }) => fill("of snapshot {0} of {1}", &[&snapshot, &volume]),
            Some(Source::Backup { backup, .. }) => fill("of backup {}", &[&backup]),
            None => String::new(),
        })
    };
    view! { <span class="dim">{words}</span> }
}

#[component]
fn Browser(place: Memo<Option<Place>>) -> impl IntoView {
    let folder = load(place);
    let rows = Memo::new(move |_| {
        let Some(place) = place.get() else { return Vec::new() };
        let mut rows: Vec<Thing> = folder.things.get().iter().map(|file| with_addresses(file, &place)).collect();
        // Folders first, each kind in the order of the manager.
        let is_file = |row: &Thing| row.text("kind") != "directory";
        put_in_order(&mut rows, &|a, b| is_file(a).cmp(&is_file(b)));
        rows
    });
    let whole = move || {
        place.get().map(|place| {
            let href = place.content();
            view! { <a class="button" href=href download="" rel="external">{tr("Download this folder as tar")}</a> }
        })
    };
    view! {
        <div class="head">
            {move || place.with(|place| place.as_ref().map(crumbs))}
            <div class="right">{whole}</div>
        </div>
        <Partition place folder />
        <DataTable
            id="files"
            caption="Files"
            rows=Signal::derive(move || rows.get())
            state=folder.state
            columns=columns()
            menu=Callback::new(|file| entries(&file))
            retry=Callback::new(move |()| folder.again(place.get_untracked()))
            empty=|| view! { <section class="card"><p class="calm dim">{tr("The folder is empty.")}</p></section> }
        />
        <Show when=move || folder.next.with(Option::is_some)>
            <button
                type="button"
                class="more"
                disabled=move || folder.busy.get()
                on:click=move |_| folder.more(place.get_untracked())
            >
                {tr("Show more")}
            </button>
        </Show>
    }
}

/// Asked for where the manager says that there are several.
#[component]
fn Partition(place: Memo<Option<Place>>, folder: Folder) -> impl IntoView {
    let wanted = Memo::new(move |_| match folder.state.get() {
        ListState::Failed(error) => error.next_step.contains("?partition="),
        _ => place.with(|place| place.as_ref().is_some_and(|place| !place.partition.is_empty())),
    });
    let number = move || place.with(|place| place.as_ref().map(|place| place.partition.clone()).unwrap_or_default());
    let change = move |event| {
        if let Some(place) = place.get_untracked() {
            go(&Place { partition: event_target_value(&event), path: "/".to_owned(), ..place }.page());
        }
    };
    view! {
        <Show when=move || wanted.get()>
            <label class="field inline">
                <span>{tr("Partition")}</span>
                <input type="number" name="partition" min="1" max="128" prop:value=number on:change=change />
            </label>
        </Show>
    }
}

/// What its row links to.
fn with_addresses(file: &Thing, place: &Place) -> Thing {
    let own = place.at(file.text("path"));
    let mut json = file.json().clone();
    if let Value::Object(fields) = &mut json {
        fields.insert("page".to_owned(), json!(own.page()));
        fields.insert("content".to_owned(), json!(own.content()));
    }
    json.into()
}
