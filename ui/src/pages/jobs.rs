//! All long work, now and before.

use leptos::prelude::*;

use super::titled;
use crate::components::menu::Entry;
use crate::components::page::PageHead;
use crate::components::table::{Column, DataTable, Kind, Value};
use crate::dialogs::Questions;
use crate::live::{Live, Thing};
use crate::panels::asked::{AskChoice, AskText, address, asked, setter};
use crate::panels::ops::acts::{danger, entry};
use crate::panels::ops::job::{JobDuration, JobProgress, JobSheet, ask_cancel, title};
use crate::panels::paged::Paged;
use crate::role::may_write;
use crate::words::{JOB_KINDS, JOB_STATES, job_kind, job_state, starter, told, tr};

const ASKED: &[(&str, &str)] =
    &[("kind", "kind"), ("state", "state"), ("by", "startedBy"), ("volume", "volume"), ("node", "node")];

#[component]
pub(crate) fn JobsPage() -> impl IntoView {
    titled(|| tr("Jobs").to_owned());
    let live = Live::expect();
    let jobs = Paged::of(address("v1/jobs", ASKED));
    follow(live, jobs);
    let set = setter();
    open_asked(set);
    let menu = Callback::new(move |job: Thing| entries(&job, set));
    let chosen = |words: &'static [&'static str], shown: fn(&'static str) -> &'static str| {
        words.iter().map(|word| ((*word).to_owned(), shown(word).to_owned())).collect::<Vec<_>>()
    };
    let starters = vec![
        ("user".to_owned(), tr("A user").to_owned()),
        ("recurringJob".to_owned(), tr("A recurring job").to_owned()),
        ("system".to_owned(), tr("The system").to_owned()),
    ];
    view! {
        <PageHead title=tr("Jobs") />
        <div class="asks">
            <AskChoice key="state" label=tr("State") choices=chosen(&JOB_STATES, |word| job_state(word).1) />
            <AskChoice key="kind" label=tr("Kind") choices=chosen(&JOB_KINDS, job_kind) />
            <AskChoice key="by" label=tr("Started by") choices=starters />
            <AskText key="volume" label=tr("Volume") />
            <AskText key="node" label=tr("Node") />
        </div>
        <DataTable
            id="jobs"
            caption="Jobs"
            rows=jobs.rows
            state=jobs.state
            columns=columns()
            menu=menu
            retry=Callback::new(move |()| jobs.refresh())
            empty=|| view! { <p class="calm dim">{tr("No jobs to show. Rebuilds, backups, evictions and whatever else takes long appear here by themselves.")}</p> }
        />
        {jobs.button()}
    }
}

/// A job that comes, or changes its state, changes the list; progress comes to each row by itself.
fn follow(live: Live, jobs: Paged) {
    let seen = Memo::new(move |_| {
        live.jobs.all().iter().map(|job| (job.object.clone(), job.started_at.clone(), job.state)).collect::<Vec<_>>()
    });
    Effect::new(move |before: Option<()>| {
        seen.track();
        if before.is_some() {
            jobs.refresh();
        }
    });
}

/// `?job=17` opens that job, so that other pages can lead here.
fn open_asked(set: Callback<(&'static str, String)>) {
    let questions = Questions::expect();
    let wanted = asked("job");
    Effect::new(move |_| {
        let id = wanted.get();
        if !id.is_empty() {
            questions.open(Callback::new(move |()| {
                let close = Callback::new(move |()| {
                    questions.close();
                    set.run(("job", String::new()));
                });
                view! { <JobSheet id=id.clone() on_close=close /> }.into_any()
            }));
        }
    });
}

fn entries(job: &Thing, set: Callback<(&'static str, String)>) -> Vec<Entry> {
    let id = job.id().to_owned();
    let mut entries = vec![entry(tr("Details and log…"), None, move || set.run(("job", id.clone())))];
    if may_write() && job.text("state") == "running" {
        let refusal =
            (!job.has_action("cancel")).then(|| match (job.text("cancelRefusal"), job.text("cancelAskedBy")) {
                ("", "") => tr("Not possible now").to_owned(),
                ("", _) => tr("Somebody asked for it already").to_owned(),
                (why, _) => told(why),
            });
        let job = job.clone();
        entries.push(danger(tr("Cancel…"), refusal, move || ask_cancel(&job)));
    }
    entries
}

/// Opens the job and keeps what is asked for.
#[component]
fn JobLink(job: Thing) -> impl IntoView {
    let set = setter();
    let (id, href) = (job.id().to_owned(), format!("jobs?job={}", job.id()));
    let open = move |event: leptos::ev::MouseEvent| {
        if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
            event.prevent_default();
            set.run(("job", id.clone()));
        }
    };
    view! { <a class="link" href=href on:click=open>{title(job.text("kind"), job.text("object"))}</a> }
}

pub(crate) fn columns() -> Vec<Column> {
    let plain = |key, label, kind, value| Column { key, label, kind, hidden: false, value, view: None };
    vec![
        Column {
            view: Some(|job| view! { <JobLink job=job.clone() /> }.into_any()),
            ..plain("what", "Job", Kind::Custom, |job| Value::Text(title(job.text("kind"), job.text("object"))))
        },
        plain("state", "State", Kind::State, |job| {
            let (mark, word) = job_state(job.text("state"));
            Value::State(mark, word.to_owned())
        }),
        Column {
            view: Some(|job| view! { <JobProgress job=job.clone() /> }.into_any()),
            ..plain("done", "Progress", Kind::Custom, |job| Value::Bytes(job.bytes("doneBytes").bytes()))
        },
        plain("by", "Started by", Kind::Text, |job| Value::Text(starter(job))),
        plain("started", "Started", Kind::Time, |job| Value::Time(job.text("startedAt").to_owned())),
        Column {
            hidden: true,
            view: Some(|job| view! { <JobDuration job=job.clone() /> }.into_any()),
            ..plain("took", "Took", Kind::Custom, |_| Value::None)
        },
        plain("message", "Message", Kind::Long, |job| Value::Text(job.told("message"))),
        Column {
            hidden: true,
            ..plain("volume", "Volume", Kind::Text, |job| Value::Text(job.text("volume").to_owned()))
        },
        Column { hidden: true, ..plain("node", "Node", Kind::Text, |job| Value::Text(job.text("node").to_owned())) },
        Column {
            hidden: true,
            ..plain("id", "Number", Kind::Number, |job| job.number("id").map_or(Value::None, Value::Number))
        },
    ]
}
