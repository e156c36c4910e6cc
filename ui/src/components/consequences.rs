//! What a change would do, as the manager foresees it (`GET v1/whatif`).

use std::time::Duration;

use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use super::badge::Shape;
use super::causes::WhyList;
use super::skeleton::Skeleton;
use crate::live::{ListState, Thing, follow_at};
use crate::words::{Mark, count, fill, names, tr};

/// Somebody who types is asked about when they rest.
const REST: Duration = Duration::from_millis(350);
/// Volumes that are named; the summary counts all.
const NAMED: usize = 6;

/// Nothing for an empty address.
#[component]
pub(crate) fn Consequences(#[prop(into)] address: Signal<String>) -> impl IntoView {
    let settled = RwSignal::new(address.get_untracked());
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let stop = move || {
        if let Some(Some(timer)) = timer.try_update_value(Option::take) {
            timer.clear();
        }
    };
    on_cleanup(stop);
    Effect::new(move |before: Option<()>| {
        let address = address.get();
        stop();
        if before.is_some() {
            let settle = move || _ = settled.try_set(address.clone());
            timer.set_value(set_timeout_with_handle(settle, REST).ok());
        }
    });
    let answer = follow_at(settled.into());
    let content = move || match (answer.all().into_iter().next(), answer.state()) {
        (Some(answer), _) => foreseen(&answer),
        (None, ListState::Failed(error)) => view! { <p class="short">{error.message}</p> }.into_any(),
        (None, _) => view! { <Skeleton lines=2 /> }.into_any(),
    };
    move || {
        (!settled.with(String::is_empty)).then(|| {
            view! { <div class="outlook" aria-live="polite" data-testid="consequences">{content}</div> }
        })
    }
}

fn foreseen(answer: &Thing) -> AnyView {
    let mark = match answer.text("verdict") {
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
    let notes: Vec<String> = answer.items("volumes").iter().flat_map(|volume| volume.texts("notes")).take(4).collect();
    let moved = answer.items("volumes").len();
    view! {
        <p class=format!("dot {}", mark.class())><Shape mark=Signal::stored(mark) /><span>{loss}{answer.text("summary").to_owned()}</span></p>
        <ul>
            {copy}
            {freed}
            {line(of(|volume| volume.flag("lastHealthyReplica") && !volume.flag("deleted")), |names| fill("The last good copy goes: {}", &[&names]))}
            {line(of(|volume| volume.flag("interrupted")), |names| fill("Who uses it loses it: {}", &[&names]))}
            {notes.into_iter().map(|note| view! { <li>{note}</li> }).collect_view()}
        </ul>
        <WhyList causes=obstacles />
        <WhyList causes=stuck />
        {(moved > NAMED).then(|| view! { <p class="xs">{count(moved, "volume")}</p> })}
    }
    .into_any()
}
