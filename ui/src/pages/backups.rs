//! Volumes that have backups, a line for each target that has them.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;

use super::titled;
use crate::components::page::PageHead;
use crate::components::table::DataTable;
use crate::live::{Live, follow};
use crate::notices::Notices;
use crate::panels::backup_targets::Troubles;
use crate::panels::backups::{bulk, columns, entries, filters};
use crate::words::tr;
use crate::{api, role};

#[component]
pub(crate) fn BackupsPage() -> impl IntoView {
    let live = Live::expect();
    titled(|| tr("Backups").to_owned());
    let volumes = follow("backupvolumes");
    view! {
        <PageHead title=tr("Backups") actions=actions />
        <Troubles />
        <DataTable
            id="backup-volumes"
            caption="Volumes with backups"
            rows=Signal::derive(move || volumes.all())
            state=Signal::derive(move || volumes.state())
            columns=columns()
            filters=filters()
            menu=Callback::new(move |volume| entries(live, &volume))
            bulk=Callback::new(move |volumes| bulk(live, volumes))
            retry=Callback::new(move |()| volumes.refresh())
            empty=empty
        />
    }
}

fn actions() -> AnyView {
    let read = move |_| {
        spawn_local(async move {
            let notices = Notices::expect();
            match api::put("v1/backuptargets", &json!({"syncAllBackupTargets": true})).await {
                Ok(_) => notices.done(tr("Reading all targets.")),
                Err(error) => notices.failed(error),
            }
        });
    };
    view! {
        <Show when=role::may_write>
            <button type="button" on:click=read>{tr("Read all targets")}</button>
        </Show>
    }
    .into_any()
}

/// Two steps lead to the first backup; the first one is shown while it is missing.
fn empty() -> AnyView {
    let targets = follow("backuptargets");
    let any = move || targets.all().iter().any(|target| !target.text("backupTargetURL").is_empty());
    view! {
        <section class="card empty">
            <h2 class="title">{tr("No backups yet")}</h2>
            <Show
                when=any
                fallback=|| {
                    view! {
                        <p class="dim">{tr("Backups go to a target outside of this installation: S3, NFS, CIFS, Azure or a directory.")}</p>
                        <a class="button" href="backup-targets">{tr("Set up a backup target")}</a>
                    }
                }
            >
                <p class="dim">{tr("Open a volume and back up one of its snapshots, or let a recurring job do it.")}</p>
                <div class="chips">
                    <a class="button" href="volumes">{tr("Volumes")}</a>
                    <a class="button" href="recurring-jobs">{tr("Recurring jobs")}</a>
                </div>
            </Show>
        </section>
    }
    .into_any()
}
