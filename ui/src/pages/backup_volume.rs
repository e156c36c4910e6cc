//! The backups of one volume in one target.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::titled;
use crate::components::causes::WhyList;
use crate::components::facts::{FactList, fact};
use crate::components::menu::Menu;
use crate::components::page::{PageHead, Section};
use crate::components::skeleton::Skeleton;
use crate::components::table::DataTable;
use crate::live::{ListState, Live, Thing, follow};
use crate::model::time;
use crate::panels::backups::{
    Origin, VolumeState, backup_columns, backup_entries, entries, fetch, several, with_progress,
};
use crate::words::{self, fill, label, tr};
use crate::{clock, role};

#[component]
pub(crate) fn BackupVolumePage() -> impl IntoView {
    let live = Live::expect();
    let params = use_params_map();
    let param = move |key: &str| params.with(|params| params.get(key).unwrap_or_default());
    let all = follow("backupvolumes");
    let volume = Memo::new(move |_| {
        let (target, name) = (param("target"), param("volume"));
        all.all().into_iter().find(|row| row.text("backupTargetName") == target && row.text("volumeName") == name)
    });
    titled(move || fill("Backups of {}", &[&param("volume")]));
    let found = Memo::new(move |_| volume.with(Option::is_some));
    let missing = move || {
        match all.state() {
        ListState::Loading => view! { <section class="card"><Skeleton lines=8 /></section> }.into_any(),
        ListState::Failed(error) => {
            view! { <section class="card"><p class="failure">{error.message}</p><p class="dim">{error.next_step}</p></section> }.into_any()
        }
        ListState::Ready => gone(param("volume"), param("target")),
    }
    };
    view! {
        <PageHead
            title=Signal::derive(move || param("volume"))
            crumbs=vec![("backups", "Backups")]
            note=move || view! { <VolumeState volume=volume.into() /> }
            actions=move || view! { <Actions volume live /> }
        />
        <Show when=move || found.get() fallback=missing>
            {move || {
                let causes = volume.with(|volume| volume.as_ref().map(Thing::causes).unwrap_or_default());
                (!causes.is_empty()).then(|| view! { <section class="card why edge-degraded"><WhyList causes /></section> })
            }}
            <List volume live />
            <Facts volume />
        </Show>
    }
}

fn gone(volume: String, target: String) -> AnyView {
    view! {
        <section class="card empty">
            <h2 class="title">{fill("{0} has no backups in {1}", &[&volume, &target])}</h2>
            <p class="dim">{tr("They may have been deleted, or the target was not read yet.")}</p>
            <a class="button" href="backups">{tr("All backups")}</a>
        </section>
    }
    .into_any()
}

#[component]
fn Actions(volume: Memo<Option<Thing>>, live: Live) -> impl IntoView {
    let menu = Callback::new(move |()| volume.get_untracked().map(|volume| entries(live, &volume)).unwrap_or_default());
    view! {
        <Show when=move || role::may_write() && volume.with(Option::is_some)>
            <Menu label=tr("More actions") text=tr("Actions") entries=menu />
        </Show>
    }
}

#[component]
fn List(volume: Memo<Option<Thing>>, live: Live) -> impl IntoView {
    let backups = fetch(volume, live);
    let rows = Memo::new(move |_| with_progress(backups.things.get(), &live.jobs.all()));
    let count = move || backups.things.with_untracked(Vec::len);
    let of = move || volume.get_untracked();
    let menu = move |backup: Thing| of().map(|of| backup_entries(live, &of, &backup, count())).unwrap_or_default();
    let bulk = move |chosen: Vec<Thing>| of().map(|of| several(&of, chosen, count())).unwrap_or_default();
    view! {
        <DataTable
            id="backups-of-volume"
            caption="Backups"
            rows=Signal::derive(move || rows.get())
            state=backups.state
            columns=backup_columns()
            menu=Callback::new(menu)
            bulk=Callback::new(bulk)
            retry=Callback::new(move |()| backups.refresh())
            empty=|| view! { <p class="calm dim">{tr("No backups are in the target any more.")}</p> }
        />
    }
}

#[component]
fn Facts(volume: Memo<Option<Thing>>) -> impl IntoView {
    let text = move |path: &'static str| fact(move || with(volume, |volume| volume.text(path).to_owned()));
    let bytes = move |path: &'static str| fact(move || with(volume, |volume| volume.bytes(path).to_string()));
    let at = move |path: &'static str| {
        fact(move || {
            let at = volume.with(|volume| volume.as_ref().and_then(|volume| time::parse(volume.text(path))));
            at.map(|at| format!("{} ({})", clock::wall_time(at), words::age(clock::now() - at))).unwrap_or_default()
        })
    };
    let origin = move |part: fn(Origin) -> String| fact(move || with(volume, |volume| part(Origin::of(volume))));
    let image = move || {
        let name = Some(with(volume, |volume| volume.text("backingImageName").to_owned()));
        let link = |name: String| view! { <a class="link" href=format!("backing-images?q={name}")>{name.clone()}</a> };
        name.filter(|name| !name.is_empty()).map_or_else(|| "–".into_any(), |name| link(name).into_any())
    };
    let facts = vec![
        (label("Backup target"), text("backupTargetName")),
        (label("Size"), bytes("size")),
        (label("Data in the target"), bytes("dataStored")),
        (label("Last backup"), at("lastBackupAt")),
        (label("Created"), at("created")),
        (label("PV / PVC"), origin(|origin| origin.names())),
        (label("Namespace"), origin(|origin| origin.namespace)),
        (label("Workload / Pod"), origin(|origin| origin.workloads.join(", "))),
        (label("Storage class"), text("storageClassName")),
        (label("Backing image"), image.into_any()),
    ];
    view! { <Section title="Details"><FactList facts /></Section> }
}

fn with(volume: Memo<Option<Thing>>, read: impl Fn(&Thing) -> String) -> String {
    volume.with(|volume| volume.as_ref().map(read).unwrap_or_default())
}
