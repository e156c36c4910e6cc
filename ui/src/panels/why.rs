//! Why a volume is not as wished, with the next step, and what is being done to it.

use std::sync::Arc;

use aurochs_api::job::{Job, JobState};
use aurochs_api::size::ByteSize;
use aurochs_api::volume::Volume;
use leptos::prelude::*;

use crate::components::bar::Progress;
use crate::components::causes::WhyList;
use crate::live::Live;
use crate::words::{self, Mark, fill, told, tr};

#[component]
pub(crate) fn WhyPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let live = Live::expect();
    let causes = Memo::new(move |_| volume.get().map(|volume| volume.causes.clone()).unwrap_or_default());
    let jobs = Memo::new(move |_| {
        let name = volume.get().map(|volume| volume.name.clone())?;
        let jobs = live.jobs.all().into_iter();
        Some(jobs.filter(|job| job.volume == name && job.state == JobState::Running).collect::<Vec<_>>())
    });
    let running = move || jobs.get().unwrap_or_default();
    let nothing = move || causes.with(Vec::is_empty) && running().is_empty();
    let worst = move || causes.with(|causes| causes.iter().map(|cause| cause.severity).max());
    let tone = move || worst().map_or("progress", |severity| Mark::from(severity).class());
    view! {
        <Show when=move || !nothing()>
            <section class=move || format!("card why edge-{}", tone()) aria-label=tr("Why") data-testid="why">
                {move || view! { <WhyList causes=causes.get() /> }}
                {move || running().into_iter().map(|job| view! { <Work job /> }).collect_view()}
            </section>
        </Show>
    }
}

/// One running job: what, how far, how long it takes on.
#[component]
fn Work(job: Arc<Job>) -> impl IntoView {
    let what = words::job_kind(job.kind.word());
    let what = if job.node.is_empty() { what.to_owned() } else { fill("{} on {}", &[&what, &job.node]) };
    let planned = job.planned_bytes.unwrap_or_default();
    let transferred = words::transferred(ByteSize(job.done_bytes), ByteSize(planned), job.bytes_per_second);
    let phase = job.phases.last().map(|phase| told(&phase.name)).filter(|name| !name.is_empty());
    let detail: Vec<String> = phase.into_iter().chain((!transferred.is_empty()).then_some(transferred)).collect();
    let percent = (planned > 0).then(|| percent(job.done_bytes, planned));
    let left = job.seconds_left.map(|left| fill("{} left", &[&words::span(left)]));
    let bar = percent.map(|percent| view! { <Progress percent=Signal::stored(percent) label=what.clone() /> });
    view! {
        <div class="repair">
            <span>
                <a href=format!("jobs?volume={}", job.volume)><strong>{what.clone()}</strong></a>
                <span class="dim">
                    {percent.map(|percent| format!(" · {percent} %"))}
                    {detail.into_iter().map(|text| format!(" · {text}")).collect_view()}
                </span>
            </span>
            <span class="num">{left}</span>
            {bar}
        </div>
    }
}

fn percent(done: u64, planned: u64) -> u32 {
    let percent = u128::from(done) * 100 / u128::from(planned.max(1));
    u32::try_from(percent.min(100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn never_more_than_all() {
        assert_eq!((percent(1, 4), percent(9, 4), percent(u64::MAX, u64::MAX), percent(0, 0)), (25, 100, 100, 0));
    }
}
