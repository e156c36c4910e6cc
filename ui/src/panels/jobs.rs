//! What is running now.

use std::sync::Arc;

use aurochs_api::job::{Job, JobState};
use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use super::ops::job::title;
use crate::components::bar::Progress;
use crate::components::page::Section;
use crate::live::Live;
use crate::words::{self, fill, tr};

/// More wait on the page of jobs.
const SHOWN: usize = 8;

#[component]
pub(crate) fn JobsPanel() -> impl IntoView {
    let live = Live::expect();
    let running = Memo::new(move |_| {
        let jobs = live.jobs.all();
        jobs.into_iter().filter(|job| job.state == JobState::Running).collect::<Vec<_>>()
    });
    // A job has no number in itself; what it does to what, since when, is as good.
    let key = |job: &Arc<Job>| (job.kind, job.object.clone(), job.started_at.clone());
    let keys = move || running.with(|jobs| jobs.iter().take(SHOWN).map(key).collect::<Vec<_>>());
    let line = move |this: (_, String, String)| {
        let job = Memo::new(move |_| running.with(|jobs| jobs.iter().find(|job| key(job) == this).cloned()));
        move || job.get().map(|job| view! { <Line job /> })
    };
    let more = move || running.with(Vec::len).saturating_sub(SHOWN);
    view! {
        <Section title="Jobs running" actions=|| view! { <a class="link xs" href="jobs">{tr("All jobs")}</a> }>
            <div data-testid="jobs">
                <Show when=move || !running.with(Vec::is_empty) fallback=|| view! { <p class="calm dim">{tr("Nothing is running.")}</p> }>
                    <ul class="jobs">
                        <For each=keys key=Clone::clone children=line />
                    </ul>
                </Show>
                {move || (more() > 0).then(|| view! { <a class="link" href="jobs?state=running">{fill("and {} more", &[&more()])}</a> })}
            </div>
        </Section>
    }
}

#[component]
fn Line(job: Arc<Job>) -> impl IntoView {
    let what = title(job.kind.word(), &job.object);
    let phase = job.phases.last().map(|phase| phase.name.clone()).unwrap_or_default();
    let planned = job.planned_bytes.map(ByteSize);
    let moved = planned.map(|planned| words::transferred(ByteSize(job.done_bytes), planned, job.bytes_per_second));
    let parts = [job.volume.clone(), job.node.clone(), phase, moved.unwrap_or_default()];
    let note = parts.into_iter().filter(|part| !part.is_empty() && *part != job.object).collect::<Vec<_>>().join(" · ");
    let percent = planned.filter(|planned| *planned > ByteSize::ZERO).map(|planned| {
        let share = u128::from(job.done_bytes) * 100 / u128::from(planned.bytes());
        u32::try_from(share.min(100)).unwrap_or(100)
    });
    let left = match (job.seconds_left, percent) {
        (Some(left), _) => fill("{} left", &[&words::span(left)]),
        (None, Some(percent)) => fill("{} %", &[&percent]),
        (None, None) => String::new(),
    };
    let bar = percent.map(|percent| view! { <Progress percent=Signal::stored(percent) label=what.clone() /> });
    view! {
        <li>
            <div>
                <strong>{what}</strong>
                <div class="xs">{note}</div>
            </div>
            <span>{bar}</span>
            <span class="num dim">{left}</span>
        </li>
    }
}
