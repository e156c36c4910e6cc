//! What is running now.

use leptos::prelude::*;

use crate::address;
use crate::components::bar::Progress;
use crate::live::Live;
use crate::model::rebuild::Rebuild;
use crate::words;

#[component]
pub(crate) fn JobsPanel() -> impl IntoView {
    let live = Live::expect();
    let running =
        Memo::new(move |_| live.volumes.all().iter().flat_map(|volume| Rebuild::running(volume)).collect::<Vec<_>>());
    let keys = move || running.get().into_iter().map(|job| (job.volume, job.replica)).collect::<Vec<_>>();
    let line = move |(volume, replica): (String, String)| {
        let job =
            Memo::new(move |_| running.get().into_iter().find(|job| job.volume == volume && job.replica == replica));
        move || job.get().map(|job| view! { <Job job /> })
    };
    view! {
        <section class="card" aria-labelledby="jobs-title" data-testid="jobs">
            <h2 id="jobs-title">"Jobs running"</h2>
            <Show when=move || !running.with(Vec::is_empty) fallback=|| view! { <p class="calm dim">"Nothing is running."</p> }>
                <ul class="jobs">
                    <For each=keys key=Clone::clone children=line />
                </ul>
            </Show>
        </section>
    }
}

#[component]
fn Job(job: Rebuild) -> impl IntoView {
    let transferred = words::transferred(job.done, job.planned, job.bytes_per_second);
    let note = [job.node.as_str(), transferred.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ");
    let left =
        job.seconds_left().map_or_else(|| format!("{} %", job.percent), |left| format!("{} left", words::span(left)));
    view! {
        <li>
            <div>
                "Rebuild "
                <a href=address::volume(&job.volume)><strong>{job.volume.clone()}</strong></a>
                <div class="xs">{note}</div>
            </div>
            <Progress percent=Signal::stored(job.percent) label=format!("Rebuild of {}", job.volume) />
            <span class="num dim">{left}</span>
        </li>
    }
}
