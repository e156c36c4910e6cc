//! {tr("Needs attention")}: causes of volumes, nodes and disks, worst first, with the one button that helps.

use aurochs_api::cause::Severity;
use leptos::prelude::*;

use crate::components::badge::{Badge, Shape};
use crate::live::Live;
use crate::model::attention::{Attention, Remedy, Subject, urgent};
use crate::words::{Mark, fill, tr};
use crate::{clock, words};

/// More than these wait behind a button, so that the rest of the page stays in sight.
const SHOWN_AT_FIRST: usize = 6;

#[component]
pub(crate) fn AttentionPanel() -> impl IntoView {
    let live = Live::expect();
    let list = Memo::new(move |_| {
        let (volumes, nodes, settings) = (live.volumes.all(), live.nodes.all(), live.settings.all());
        Attention::collect(
            volumes.iter().map(AsRef::as_ref),
            nodes.iter().map(AsRef::as_ref),
            settings.iter().map(AsRef::as_ref),
        )
    });
    let all_shown = RwSignal::new(false);
    let shown = move || list.with(|list| if all_shown.get() { list.len() } else { list.len().min(SHOWN_AT_FIRST) });
    let keys = move || list.with(|list| list.iter().take(shown()).map(Attention::key).collect::<Vec<_>>());
    let line = move |key: String| {
        let line = Memo::new(move |_| list.with(|list| list.iter().find(|line| line.key() == key).cloned()));
        move || line.get().map(|line| view! { <Line line /> })
    };
    let hidden = move || list.with(Vec::len) - shown();
    view! {
        <section class="card attention" aria-labelledby="attention-title" data-testid="attention">
            <div class="head">
                <h2 id="attention-title">{tr("Needs attention")}</h2>
                {move || Some(list.with(|list| urgent(list))).filter(|number| *number > 0).map(|number| view! { <span class="xs">{number}</span> })}
            </div>
            <Show when=move || !list.with(Vec::is_empty) fallback=AllWell>
                <ul>
                    <For each=keys key=Clone::clone children=line />
                </ul>
            </Show>
            {move || (hidden() > 0).then(|| view! {
                <button type="button" class="ghost more" on:click=move |_| all_shown.set(true)>
                    {move || fill("Show {} more", &[&hidden()])}
                </button>
            })}
        </section>
    }
}

#[component]
fn AllWell() -> impl IntoView {
    let live = Live::expect();
    let sentence = move || match live.volumes.len() {
        0 => tr("Nothing does. All nodes and disks are as they should be."),
        _ => tr("Nothing does. All volumes, nodes and disks are as they should be."),
    };
    view! {
        <p class="calm"><span class="dot healthy"><Shape mark=Signal::stored(Mark::Healthy) /></span>{sentence}</p>
    }
}

#[component]
fn Line(line: Attention) -> impl IntoView {
    let remedy = line.remedy();
    let by_cause = || (Mark::of(&line.cause), words::severity(line.cause.severity));
    let (mark, word, name) = match &line.subject {
        Subject::Volume { name, phase } => ((*phase).into(), words::phase(*phase), name.clone()),
        Subject::Node { name } => (by_cause().0, by_cause().1, name.clone()),
        Subject::Disk { node, disk } => (by_cause().0, by_cause().1, format!("{node} / {disk}")),
        Subject::Setting { title, .. } => (by_cause().0, by_cause().1, title.clone()),
    };
    let name_target = line.subject.address();
    // What is wrong with a volume may have to be mended at its nodes.
    let target = match (&line.subject, remedy) {
        (Subject::Volume { .. }, Remedy::ShowDisks | Remedy::ShowNode) => "nodes".to_owned(),
        _ => name_target.clone(),
    };
    // A detached volume with a cause is not fine because it is detached.
    let (mark, word) = match (mark, line.cause.severity) {
        (Mark::Healthy | Mark::Idle, severity @ (Severity::Warning | Severity::Error)) => {
            (severity.into(), words::severity(severity))
        }
        other => (other.0, word),
    };
    let next_step = match line.cause.next_step.as_str() {
        "" => tr("Nothing to do.").to_owned(),
        next_step => clock::localized(next_step),
    };
    view! {
        <li class="attn">
            <Badge mark=Signal::stored(mark) text=word.to_owned() />
            <div>
                <a href=name_target><strong>{name}</strong></a>
                " "
                <span class="dim">{clock::localized(&line.cause.message)}</span>
                <div class="xs">{next_step}</div>
            </div>
            <a class="button" href=target>{words::remedy(remedy)}</a>
        </li>
    }
}
