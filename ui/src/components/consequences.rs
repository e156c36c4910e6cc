//! What a change would do, as the manager foresees it (`GET v1/whatif`).

use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use super::badge::Shape;
use super::causes::WhyList;
use super::skeleton::Skeleton;
use crate::clock;
use crate::live::{ListState, Thing, follow_at};
use crate::words::{Mark, count, fill, names, tr};

/// Volumes that are named; the summary counts all.
const NAMED: usize = 6;

/// What is known of the address.
#[derive(Clone, PartialEq)]
enum Told {
    /// There is nothing to ask.
    Nothing,
    Waiting,
    Answer(Thing),
    Failure(String),
}

/// Nothing for an empty address. Each new one is asked for at once: what is typed comes here when it rests.
#[component]
pub(crate) fn Consequences(#[prop(into)] address: Signal<String>) -> impl IntoView {
    let answer = follow_at(address);
    // What was told last stays until the next answer is there: nothing jumps while somebody tries numbers.
    let told = Memo::new(move |before: Option<&Told>| {
        if address.with(String::is_empty) {
            return Told::Nothing;
        }
        match (answer.shared().first(), answer.state(), before) {
            (Some(answer), ..) => Told::Answer(answer.clone()),
            (None, ListState::Failed(error), _) => Told::Failure(error.message),
            (None, _, Some(before @ Told::Answer(_))) => before.clone(),
            (None, ..) => Told::Waiting,
        }
    });
    let content = move |told| {
        let content = match told {
            Told::Nothing => return None,
            Told::Waiting => view! { <Skeleton lines=2 /> }.into_any(),
            Told::Answer(answer) => foreseen(&answer),
            Told::Failure(message) => view! { <p class="short">{message}</p> }.into_any(),
        };
        Some(view! {
            <div class="outlook" aria-live="polite" aria-busy=move || (answer.state() == ListState::Loading).to_string() data-testid="consequences">{content}</div>
        })
    };
    move || content(told.get())
}

fn foreseen(answer: &Thing) -> AnyView {
    let mark = match answer.text("verdict") {
        // Possible is not harmless: somebody loses something.
        "fine" if answer.items("volumes").iter().any(|volume| volume.flag("deleted") || volume.flag("interrupted")) => {
            Mark::Idle
        }
        "fine" => Mark::Healthy,
        "incomplete" => Mark::Degraded,
        "refused" | "dataLoss" => Mark::Faulted,
        _ => Mark::Idle,
    };
    let loss =
        (answer.text("verdict") == "dataLoss").then(|| view! { <strong>{tr("Data would be lost.")}" "</strong> });
    let of = |test: fn(&Thing) -> bool| {
        let volumes = answer.items("volumes");
        volumes.iter().filter(|volume| test(volume)).map(|volume| volume.text("name").to_owned()).collect::<Vec<_>>()
    };
    let line = |volumes: Vec<String>, say: fn(String) -> String| {
        (!volumes.is_empty()).then(|| view! { <li>{say(names(&volumes, NAMED))}</li> })
    };
    let copy = answer.bytes("bytesToCopy");
    let copy = (copy > ByteSize::ZERO).then(|| view! { <li>{fill("{} would be copied", &[&copy])}</li> });
    let (least, most) = (answer.bytes("bytesFreedMinimum"), answer.bytes("bytesFreedMaximum"));
    let freed = (most > ByteSize::ZERO).then(|| {
        let text = if least == most {
            fill("{} would become free", &[&most])
        } else {
            fill("{} to {} would become free", &[&least, &most])
        };
        view! { <li>{text}</li> }
    });
    let stuck: Vec<_> = answer.items("volumes").iter().flat_map(Thing::causes).take(3).collect();
    let obstacles = Thing::of(serde_json::json!({ "causes": answer.at("obstacles") })).causes();
    let mut notes: Vec<String> = answer.items("volumes").iter().flat_map(|volume| volume.texts("notes")).collect();
    // What holds for several volumes is said once.
    notes.sort();
    notes.dedup();
    notes.truncate(4);
    let moved = answer.items("volumes").len();
    view! {
        <p class=format!("dot {}", mark.class())><Shape mark=Signal::stored(mark) /><span>{loss}{answer.told("summary")}</span></p>
        <ul>
            {copy}
            {freed}
            {line(of(|volume| volume.flag("lastHealthyReplica") && !volume.flag("deleted")), |names| fill("The last good copy goes: {}", &[&names]))}
            {line(of(|volume| volume.flag("interrupted")), |names| fill("Who uses it loses it: {}", &[&names]))}
            {notes.into_iter().map(|note| view! { <li>{clock::localized(&note)}</li> }).collect_view()}
        </ul>
        <WhyList causes=obstacles />
        <WhyList causes=stuck />
        {(moved > NAMED).then(|| view! { <p class="xs">{count(moved, "volume")}</p> })}
    }
    .into_any()
}
