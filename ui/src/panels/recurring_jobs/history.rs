//! The runs of a recurring job, the latest first, with what each said.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::row::outcome;
use crate::api::{self, ApiError};
use crate::clock;
use crate::components::badge::Badge;
use crate::components::call::{Call, Failure};
use crate::components::dialog::Dialog;
use crate::components::skeleton::Skeleton;
use crate::dialogs::Questions;
use crate::live::{Live, Thing};
use crate::model::time;
use crate::words::{self, fill, tr};

/// Older ones are on the page of jobs.
const RUNS: u32 = 25;

pub(super) fn show_history(job: &Thing) {
    let name = job.text("name").to_owned();
    let questions = Questions::expect();
    questions.open(Callback::new(move |()| {
        let close = Callback::new(move |()| questions.close());
        let job = name.clone();
        view! {
            <Dialog
                title=fill("Runs of {}", &[&name])
                answer=tr("Done")
                only_tells=true
                ready=true
                call=Call::new()
                on_answer=close
                on_close=close
            >
                <Runs job />
            </Dialog>
        }
        .into_any()
    }));
}

#[component]
fn Runs(job: String) -> impl IntoView {
    let live = Live::expect();
    let told = RwSignal::new(None::<Result<Vec<Thing>, ApiError>>);
    let name = String::from(js_sys::encode_uri_component(&job));
    let address = format!("v1/jobs?kind=recurringRun&object={name}&limit={RUNS}");
    // A run that begins or ends while the dialog is open.
    let turns = Memo::new(move |_| {
        let of_it = |run: &&std::sync::Arc<aurochs_api::job::Job>| run.object == job;
        live.jobs.all().iter().filter(of_it).map(|run| (run.started_at.clone(), run.state)).collect::<Vec<_>>()
    });
    Effect::new(move |_| {
        turns.track();
        let address = address.clone();
        spawn_local(async move {
            let answer = api::get(&address).await.map(|list| list.items("data"));
            _ = told.try_set(Some(answer));
        });
    });
    move || match told.get() {
        None => view! { <Skeleton lines=4 /> }.into_any(),
        Some(Err(error)) => view! { <Failure error=Some(error) /> }.into_any(),
        Some(Ok(runs)) if runs.is_empty() => view! { <p class="calm dim">{tr("It has not run yet.")}</p> }.into_any(),
        Some(Ok(runs)) => {
            let line = |run: Thing| view! { <Run run /> };
            view! { <ul class="runs">{runs.into_iter().map(line).collect_view()}</ul> }.into_any()
        }
    }
}

#[component]
fn Run(run: Thing) -> impl IntoView {
    let (mark, words) = outcome(run.text("state"));
    let began = time::parse(run.text("startedAt"));
    let took = began.zip(time::parse(run.text("endedAt"))).and_then(|(began, ended)| u64::try_from(ended - began).ok());
    let took = took.map(|seconds| format!("{} · ", words::span(seconds)));
    let by = (run.text("starter") == "user").then(|| fill("by {}", &[&run.text("startedBy")]));
    let message = Some(run.told("message")).filter(|message| !message.is_empty());
    let log = RwSignal::new(None::<Vec<Thing>>);
    let address = api::address_of("jobs", run.id());
    let open = move |_| {
        if log.with_untracked(Option::is_some) {
            return;
        }
        let address = address.clone();
        spawn_local(async move {
            let lines = api::get(&address).await.map(|job| job.items("log")).unwrap_or_default();
            _ = log.try_set(Some(lines));
        });
    };
    view! {
        <li>
            <details on:toggle=open>
                <summary>
                    <Badge mark=Signal::stored(mark) text=words />
                    <time>{began.map(clock::wall_time)}</time>
                    <span class="xs">{took}{by}</span>
                </summary>
                {message.map(|message| view! { <p class="dim">{message}</p> })}
                {move || log.get().map(|lines| view! { <Log lines /> })}
            </details>
        </li>
    }
}

#[component]
fn Log(lines: Vec<Thing>) -> impl IntoView {
    let line = |line: Thing| {
        let at = time::parse(line.text("at")).map(clock::wall_time).unwrap_or_default();
        // The day stands above.
        let at = at.get(11..).unwrap_or(&at).to_owned();
        view! { <li class=line.text("level").to_owned()><span class="xs">{at}</span>" "{line.told("text")}</li> }
    };
    view! { <ol class="log">{lines.into_iter().map(line).collect_view()}</ol> }
}
