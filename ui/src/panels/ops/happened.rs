//! What happened, and what is being done: the last few of it, with the way to all.

use leptos::prelude::*;

use super::job::{JobProgress, title};
use crate::components::badge::{Badge, Shape};
use crate::components::page::Section;
use crate::components::skeleton::Skeleton;
use crate::components::when::When;
use crate::live::{List, ListState, Live, Thing};
use crate::pages::events::{kind, object, times};
use crate::panels::paged::Paged;
use crate::words::{job_state, tr};

const SHOWN: usize = 8;

/// The last events: of everything, or of what a name stands in (a node's own name, that of a disk's owner).
#[component]
pub(crate) fn Happened(
    events: List,
    /// Empty for all.
    #[prop(into)]
    about: Signal<String>,
) -> impl IntoView {
    let shown = Memo::new(move |_| {
        let about = about.get();
        let is_about = |event: &Thing| {
            about.is_empty()
                || event.text("event.involvedObject.name") == about
                || event.text("event.message").split([' ', ',', '.', ':', '/']).any(|word| word == about)
        };
        events.all().into_iter().filter(is_about).take(SHOWN).collect::<Vec<_>>()
    });
    let all = move || {
        let about = about.get();
        if about.is_empty() { "events".to_owned() } else { format!("events?q={about}") }
    };
    let line = |event: Thing| {
        let (mark, word) = kind(&event);
        view! {
            <li>
                <span class=format!("dot {}", mark.class()) title=word><Shape mark=Signal::stored(mark) /><span class="sr-only">{word}</span></span>
                <span>
                    {object(&event)}" "<span class="dim">{event.told("event.message")}</span>
                    <span class="xs"><When text=event.text("event.lastTimestamp").to_owned() />" "{event.told("event.reason")}" "{times(&event)}</span>
                </span>
            </li>
        }
    };
    view! {
        <Section title="Events" actions=move || view! { <a class="link xs" href=all()>{tr("All events")}</a> }>
            {move || match (shown.with(Vec::is_empty), events.state()) {
                (true, ListState::Loading) => view! { <Skeleton lines=3 /> }.into_any(),
                (true, ListState::Failed(error)) => view! { <p class="dim">{error.message}</p> }.into_any(),
                (true, ListState::Ready) => view! { <p class="calm dim">{tr("Nothing has happened lately.")}</p> }.into_any(),
                (false, _) => view! { <ul class="checks happened">{shown.get().into_iter().map(line).collect_view()}</ul> }.into_any(),
            }}
        </Section>
    }
}

/// The last jobs of an address (`v1/jobs?node=…&limit=8`).
#[component]
pub(crate) fn JobsOf(#[prop(into)] wanted: Signal<String>) -> impl IntoView {
    let live = Live::expect();
    let jobs = Paged::of(wanted);
    let seen =
        Memo::new(move |_| live.jobs.all().iter().map(|job| (job.started_at.clone(), job.state)).collect::<Vec<_>>());
    Effect::new(move |before: Option<()>| {
        seen.track();
        if before.is_some() {
            jobs.refresh();
        }
    });
    let line = |job: Thing| {
        let (mark, word) = job_state(job.text("state"));
        let address = format!("jobs?job={}", job.id());
        view! {
            <li>
                <div>
                    <a class="link" href=address>{title(job.text("kind"), job.text("object"))}</a>
                    <div class="xs"><When text=job.text("startedAt").to_owned() /></div>
                </div>
                <JobProgress job />
                <Badge mark=Signal::stored(mark) text=word.to_owned() />
            </li>
        }
    };
    view! {
        <Section title="Jobs" actions=|| view! { <a class="link xs" href="jobs">{tr("All jobs")}</a> }>
            {move || if jobs.rows.with(Vec::is_empty) && jobs.state.get() == ListState::Ready {
                view! { <p class="calm dim">{tr("Nothing has run here yet.")}</p> }.into_any()
            } else {
                view! { <ul class="jobs">{jobs.rows.get().into_iter().map(line).collect_view()}</ul> }.into_any()
            }}
        </Section>
    }
}
