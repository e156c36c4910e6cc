//! What keeps copies of a volume: its backups, and the recurring jobs that it takes part in.

use std::sync::Arc;

use aurochs_api::volume::{RecurringJobRef, Volume};
use leptos::prelude::*;
use serde_json::json;

use crate::components::icon::{Icon, Pictogram};
use crate::components::menu::Entry;
use crate::components::table::{Column, DataTable, Kind, Value};
use crate::components::when::When;
use crate::dialogs;
use crate::live::{List, Live, Thing, follow};
use crate::model::action::{Action, refusal};
use crate::panels::backups::{Fetched, backup_columns, backup_entries, fetch, page_of, with_progress};
use crate::role::may_write;
use crate::words::{self, fill, tr};

const fn column(key: &'static str, label: &'static str, kind: Kind, value: fn(&Thing) -> Value) -> Column {
    Column { key, label, kind, hidden: false, value, view: None }
}

const fn hidden(key: &'static str, label: &'static str, kind: Kind, value: fn(&Thing) -> Value) -> Column {
    Column { key, label, kind, hidden: true, value, view: None }
}

/// What its target has of a volume: the backup volume, if there is one, and its backups.
pub(super) fn backups_of(volume: Memo<Option<Arc<Volume>>>) -> (Memo<Option<Thing>>, Fetched) {
    let all = follow("backupvolumes");
    let of = Memo::new(move |_| {
        let volume = volume.get()?;
        let is_it = |found: &&Thing| {
            found.text("volumeName") == volume.name && found.text("backupTargetName") == volume.backup_target_name
        };
        all.shared().iter().find(is_it).cloned()
    });
    (of, fetch(of, Live::expect()))
}

/// Backups of the volume in its target.
#[component]
pub(crate) fn BackupsPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let live = Live::expect();
    let all = follow("backupvolumes");
    let name = Memo::new(move |_| volume.get().map(|volume| volume.name.clone()).unwrap_or_default());
    let target = Memo::new(move |_| volume.get().map(|volume| volume.backup_target_name.clone()).unwrap_or_default());
    let (of, backups) = backups_of(volume);
    let rows = Memo::new(move |_| with_progress(backups.things.get(), &live.jobs.all()));
    let state = Signal::derive(move || if of.with(Option::is_some) { backups.state.get() } else { all.state() });
    let count = move || backups.things.with_untracked(Vec::len);
    let menu = move |backup: Thing| {
        of.get_untracked().map(|of| backup_entries(live, &of, &backup, count())).unwrap_or_default()
    };
    let reason = Memo::new(move |_| volume.get().and_then(|volume| refusal(Action::BackUp, &volume)));
    let back_up = move |_| dialogs::volume::ask(Action::BackUp, vec![name.get_untracked()]);
    let last = Signal::derive(move || volume.get().map(|volume| volume.last_backup_at.clone()).unwrap_or_default());
    let page = move || of.get().map(|of| page_of(&of));
    view! {
        <section class="card" aria-labelledby="backups-title" data-testid="backups">
            <div class="head">
                <h2 id="backups-title">{tr("Backups")}</h2>
                <span class="xs">
                    {move || fill("in target {}", &[&target.get()])}
                    {move || (!last.get().is_empty()).then(|| view! { " · "{tr("last")}" "<When text=last /> })}
                </span>
                <div class="right">
                    {move || page().map(|page| view! { <a class="xs" href=page>{tr("Show in backups")}</a> })}
                    {move || may_write().then(|| view! {
                        <button type="button" disabled=move || reason.get().is_some() title=move || reason.get().map(words::refusal) on:click=back_up>
                            {tr("Back up")}
                        </button>
                    })}
                </div>
            </div>
            <DataTable
                id="volume-backups"
                caption="Backups"
                prefix="backup"
                rows=Signal::derive(move || rows.get())
                state
                columns=backup_columns()
                menu=Callback::new(menu)
                retry=Callback::new(move |()| backups.refresh())
                empty=|| view! { <p class="calm dim">{tr("No backup yet. A backup keeps what a snapshot holds outside of the cluster.")}</p> }
            />
        </section>
    }
}

/// Jobs and groups that the volume takes part in.
#[component]
pub(crate) fn RecurringPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let jobs = follow("recurringjobs");
    let rows = Signal::derive(move || {
        let refs = volume.get().map(|volume| volume.recurring_job_selector.clone()).unwrap_or_default();
        refs.iter().map(|of| row(of, jobs)).collect::<Vec<_>>()
    });
    let name = move || volume.get_untracked().map(|volume| volume.name.clone()).unwrap_or_default();
    let menu = Callback::new(move |row: Thing| -> Vec<Entry> {
        if !untrack(may_write) {
            return Vec::new();
        }
        let (volume, job, is_group) = (name(), row.text("name").to_owned(), row.flag("isGroup"));
        vec![Entry {
            label: tr("Take out…").to_owned(),
            refusal: None,
            danger: false,
            choose: Callback::new(move |()| {
                dialogs::volume::leave_recurring_job(volume.clone(), job.clone(), is_group);
            }),
        }]
    });
    let add = move |_| dialogs::volume::recurring_jobs(vec![name()]);
    view! {
        <section class="card" aria-labelledby="recurring-title" data-testid="recurring">
            <div class="head">
                <h2 id="recurring-title">{tr("Recurring jobs")}</h2>
                <div class="right">
                    {move || may_write().then(|| view! {
                        <button type="button" on:click=add><Pictogram icon=Icon::Plus />{tr("Add")}</button>
                    })}
                </div>
            </div>
            <DataTable
                id="volume-recurring"
                caption="Recurring jobs"
                prefix="job"
                rows
                state=Signal::derive(move || jobs.state())
                columns=recurring_columns()
                menu
                retry=Callback::new(move |()| jobs.refresh())
                empty=|| view! { <p class="calm dim">{tr("It takes part in no recurring job, so nothing protects it by itself.")}</p> }
            />
        </section>
    }
}

/// A job, or a group with the jobs in it; a name may stand for a job that there is not yet.
fn row(of: &RecurringJobRef, jobs: List) -> Thing {
    let all = jobs.all();
    let in_it: Vec<&Thing> = all
        .iter()
        .filter(|job| if of.is_group { job.texts("groups").contains(&of.name) } else { job.text("name") == of.name })
        .collect();
    let join =
        |field: &str| in_it.iter().map(|job| job.text(field)).filter(|text| !text.is_empty()).collect::<Vec<_>>();
    let does = match (of.is_group, in_it.is_empty()) {
        (_, true) => tr("Nothing yet: no such job").to_owned(),
        (true, false) => join("name").join(", "),
        (false, false) => join("task").join(", "),
    };
    let next = in_it.iter().filter_map(|job| job.texts("nextRuns").into_iter().next()).min().unwrap_or_default();
    let last = in_it.iter().map(|job| job.text("lastRun.endedAt")).max().unwrap_or_default();
    let outcome =
        in_it.iter().find(|job| job.text("lastRun.endedAt") == last).map_or("", |job| job.text("lastRun.outcome"));
    json!({
        "id": format!("{}{}", if of.is_group { "group " } else { "" }, of.name),
        "name": of.name,
        "isGroup": of.is_group,
        "title": if of.is_group { fill("Group {}", &[&of.name]) } else { of.name.clone() },
        "does": does,
        "schedule": join("schedule").join("; "),
        "next": next,
        "last": last,
        "outcome": outcome,
        "retain": in_it.first().and_then(|job| job.number("retain")),
    })
    .into()
}

fn recurring_columns() -> Vec<Column> {
    vec![
        column("title", "Name", Kind::Text, |row| Value::text(row.text("title"))),
        column("does", "Does", Kind::Long, |row| Value::text(row.text("does"))),
        column("schedule", "When", Kind::Text, |row| Value::text(row.text("schedule"))),
        Column {
            view: Some(next_run),
            ..column("next", "Next run", Kind::Custom, |row| Value::Time(row.text("next").to_owned()))
        },
        column("last", "Last run", Kind::Time, |row| Value::Time(row.text("last").to_owned())),
        column("outcome", "Outcome", Kind::State, |row| match row.text("outcome") {
            "" => Value::None,
            state => {
                let (mark, word) = words::job_state(state);
                Value::State(mark, word.to_owned())
            }
        }),
        hidden("retain", "Keeps", Kind::Number, |row| row.number("retain").map_or(Value::None, Value::Number)),
    ]
}

/// A moment to come, on the clock of the browser.
fn next_run(row: &Thing) -> AnyView {
    let text = row.text("next");
    let at = crate::model::time::parse(text);
    let shown = at.map_or_else(|| "–".to_owned(), crate::clock::wall_time);
    view! { <time title=text.to_owned()>{shown}</time> }.into_any()
}
