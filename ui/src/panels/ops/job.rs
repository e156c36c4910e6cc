//! One job: how far it is, what it has gone through, what it said, how it ended.

use aurochs_api::job::{Job, JobState};
use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use super::acts::Plan;
use super::sheet::Sheet;
use crate::api;
use crate::components::badge::{Badge, Shape};
use crate::components::bar::Progress;
use crate::components::causes::WhyList;
use crate::components::dialog::Tone;
use crate::components::facts::{FactList, fact};
use crate::components::skeleton::Skeleton;
use crate::components::when::When;
use crate::dialogs::outlive;
use crate::live::{ListState, Live, Thing, follow_at};
use crate::model::time;
use crate::role::may_write;
use crate::words::{self, fill, job_kind, job_state, log_level, starter, tr};
use crate::{address, clock};

/// `Rebuild of mysql-data`.
pub(crate) fn title(kind: &str, object: &str) -> String {
    if object.is_empty() { job_kind(kind).to_owned() } else { fill("{}: {}", &[&job_kind(kind), &object]) }
}

/// In percent, where it is known how much there is to do.
fn percent(done: u64, planned: Option<u64>) -> Option<u32> {
    let share = u128::from(done) * 100;
    planned
        .and_then(|planned| share.checked_div(u128::from(planned)))
        .and_then(|share| u32::try_from(share.min(100)).ok())
}

/// How far it is: a bar while it runs, from the live stream where that knows the job.
#[component]
pub(crate) fn JobProgress(job: Thing) -> impl IntoView {
    let live = Live::expect();
    let id = job.id().to_owned();
    let label = title(job.text("kind"), job.text("object"));
    let now = Memo::new(move |_| {
        let told = |job: &Job| (job.state == JobState::Running, job.done_bytes, job.planned_bytes, job.seconds_left);
        live.jobs.get(&id).map_or_else(
            || {
                let planned = job.at("plannedBytes").map(|_| job.bytes("plannedBytes").bytes());
                (job.text("state") == "running", job.bytes("doneBytes").bytes(), planned, None)
            },
            |job| told(&job),
        )
    });
    let bar = move || {
        let (runs, done, planned, _) = now.get();
        percent(done, planned).filter(|_| runs)
    };
    let shown = Memo::new(move |_| bar().is_some());
    let text = move || {
        let (runs, done, planned, left) = now.get();
        let done = ByteSize(done);
        match (runs, planned, left) {
            (_, None, _) if done == ByteSize::ZERO => String::new(),
            (false, _, _) | (true, None, _) => done.to_string(),
            (true, Some(planned), None) => fill("{} of {}", &[&done, &ByteSize(planned)]),
            (true, Some(_), Some(left)) => fill("{} left", &[&words::span(left)]),
        }
    };
    let label = StoredValue::new(label);
    view! {
        <span class="job-progress">
            {move || shown.get().then(|| view! { <Progress percent=Signal::derive(move || bar().unwrap_or_default()) label=label.get_value() /> })}
            <span class="num">{text}</span>
        </span>
    }
}

/// How long it took, or has taken.
#[component]
pub(crate) fn JobDuration(job: Thing) -> impl IntoView {
    let now = clock::ticking();
    move || {
        let began = time::parse(job.text("startedAt"))?;
        let ended = time::parse(job.text("endedAt")).unwrap_or_else(|| now.get());
        Some(words::span(u64::try_from(ended - began).unwrap_or_default()))
    }
}

/// Asks before it is ended.
pub(crate) fn ask_cancel(job: &Thing) {
    let (id, what) = (job.id().to_owned(), title(job.text("kind"), job.text("object")));
    let plan = Plan {
        title: fill("Cancel \"{}\"?", &[&what]),
        answer: "Cancel the job",
        tone: Tone::Danger,
        consequences: None,
        lines: vec![cancel_meaning(job.text("kind")).to_owned()],
        typed: None,
        done: fill("\"{}\" is asked to end.", &[&what]),
    };
    plan.ask(move || {
        let address = format!("{}?action=cancel", api::address_of("jobs", &id));
        async move { api::post(&address, &serde_json::json!({})).await.map(drop) }
    });
}

fn cancel_meaning(kind: &str) -> &'static str {
    match kind {
        "backup" => tr("What was sent stays in the target, and the next backup does not send it again."),
        "evacuation" => tr("The request to empty the node or disk is taken back. What has moved stays where it is."),
        "snapshotHash" => tr("The check begins again after a pause where the volume wishes for it."),
        "expansion" => tr("The volume then wishes for its present size."),
        "supportBundle" => tr("The bundle is deleted."),
        _ => tr("What is done so far stays as it is."),
    }
}

/// Everything about one job, kept fresh while it is open.
#[component]
pub(crate) fn JobSheet(id: String, on_close: Callback<()>) -> impl IntoView {
    let list = follow_at(Signal::stored(api::address_of("jobs", &id)));
    let job = Memo::new(move |_| list.all().into_iter().next());
    let heading = move || {
        job.with(|job| {
            job.as_ref().map_or_else(|| fill("Job {}", &[&id]), |job| title(job.text("kind"), job.text("object")))
        })
    };
    let cancel = move || {
        let offered = job.get().filter(|job| job.has_action("cancel") && may_write())?;
        // One dialog at a time: this one gives way to the question.
        let ask = move |_| {
            on_close.run(());
            outlive(|| ask_cancel(&offered));
        };
        Some(view! { <button type="button" on:click=ask>{tr("Cancel the job")}</button> })
    };
    view! {
        <Sheet title=Signal::derive(heading) on_close actions=move || cancel>
            {move || match (job.get(), list.state()) {
                (Some(job), _) => view! { <Told job /> }.into_any(),
                (None, ListState::Failed(error)) => view! { <p class="failure">{error.message}" "{error.next_step}</p> }.into_any(),
                (None, ListState::Loading) => view! { <Skeleton lines=6 /> }.into_any(),
                (None, ListState::Ready) => view! { <p class="dim">{tr("This job is not kept any more.")}</p> }.into_any(),
            }}
        </Sheet>
    }
}

#[component]
fn Told(job: Thing) -> impl IntoView {
    let (mark, word) = job_state(job.text("state"));
    let text = |path: &str| {
        let text = job.text(path).to_owned();
        fact(move || text.clone())
    };
    let volume = job.text("volume").to_owned();
    let volume = if volume.is_empty() {
        fact(String::new)
    } else {
        view! { <a class="link" href=address::volume(&volume)>{volume.clone()}</a> }.into_any()
    };
    let when = |path: &str| view! { <When text=job.text(path).to_owned() /> }.into_any();
    let by = starter(&job);
    let facts = vec![
        ("State", view! { <Badge mark=Signal::stored(mark) text=word.to_owned() /> }.into_any()),
        ("Started by", fact(move || by.clone())),
        ("Volume", volume),
        ("Node", text("node")),
        ("Started", when("startedAt")),
        ("Ended", when("endedAt")),
        ("Took", view! { <JobDuration job=job.clone() /> }.into_any()),
        ("Done", view! { <JobProgress job=job.clone() /> }.into_any()),
    ];
    let rate = job.bytes("bytesPerSecond");
    let rate = (rate != ByteSize::ZERO).then(|| view! { <p class="xs">{fill("{} a second", &[&rate])}</p> });
    let message = Some(job.told("message")).filter(|text| !text.is_empty());
    let message =
        message.map(|text| view! { <div class="failure"><p>{text}</p><p class="dim">{job.told("nextStep")}</p></div> });
    let refusal = Some(job.told("cancelRefusal")).filter(|text| !text.is_empty());
    let refusal = refusal.map(|why| view! { <p class="xs">{fill("It can't be cancelled: {}", &[&why])}</p> });
    let asked = Some(job.text("cancelAskedBy").to_owned()).filter(|text| !text.is_empty());
    let asked = asked.map(|who| view! { <p class="xs">{fill("{} asked for its end.", &[&who])}</p> });
    view! {
        {message}
        <WhyList causes=job.causes() />
        <FactList facts />
        {rate}{refusal}{asked}
        <Phases job=job.clone() />
        <Log job />
    }
}

#[component]
fn Phases(job: Thing) -> impl IntoView {
    let phases = job.items("phases");
    let last = phases.len().saturating_sub(1);
    let runs = job.text("state") == "running";
    let line = move |(index, phase): (usize, Thing)| {
        let mark = if runs && index == last { words::Mark::Progress } else { words::Mark::Idle };
        view! {
            <li class=mark.class()>
                <Shape mark=Signal::stored(mark) />
                <span>{phase.told("name")}" "<span class="xs"><When text=phase.text("at").to_owned() /></span></span>
            </li>
        }
    };
    (!phases.is_empty()).then(|| {
        view! {
            <h3>{tr("Phases")}</h3>
            <ol class="steps">{phases.into_iter().enumerate().map(line).collect_view()}</ol>
        }
    })
}

/// The lines; a gap in their numbers stands for some that were left out.
#[component]
fn Log(job: Thing) -> impl IntoView {
    let lines = job.items("log");
    let mut next = 0.0;
    let mut shown = Vec::with_capacity(lines.len());
    for line in &lines {
        let number = line.number("number").unwrap_or(next);
        if number > next {
            shown.push(
                view! { <li class="idle dim">{fill("… {} lines left out …", &[&(number - next)])}</li> }.into_any(),
            );
        }
        next = number + 1.0;
        let at = time::parse(line.text("at")).map(clock::wall_time).unwrap_or_default();
        let at = at.rsplit(' ').next().unwrap_or_default().to_owned();
        let class = log_level(line.text("level")).class();
        shown.push(view! { <li class=class><time>{at}</time>" "{line.told("text")}</li> }.into_any());
    }
    (!shown.is_empty()).then(|| view! { <h3>{tr("Log")}</h3><ol class="log">{shown}</ol> })
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percents() {
        assert_eq!(percent(5, Some(10)), Some(50));
        assert_eq!(percent(20, Some(10)), Some(100));
        assert_eq!(percent(5, None), None);
        assert_eq!(percent(0, Some(0)), None, "of nothing");
    }
}
