//! What disks had used, over time, and how long the room lasts at that pace.

use aurochs_api::size::ByteSize;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::acts::encoded;
use crate::api;
use crate::clock;
use crate::components::chart::{LineChart, Series, Unit};
use crate::components::page::Section;
use crate::live::{Live, Thing};
use crate::model::growth::{self, bytes_a_day, days_left, total};
use crate::words::{fill, tr};

/// More are not asked one by one.
const DISKS_MAXIMUM: usize = 64;
/// Name of a span and its seconds.
const SPANS: [(&str, i64); 3] = [("24 h", 86_400), ("7 d", 7 * 86_400), ("30 d", 30 * 86_400)];

/// What is known of the asked disks together: used and promised.
#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    used: growth::Series,
    promised: growth::Series,
    failed: usize,
}

async fn load(disks: &[(String, String)], span: i64) -> Known {
    let (mut used, mut promised, mut failed) = (Vec::new(), Vec::new(), 0);
    let from = clock::now() - span;
    for (node, disk) in disks.iter().take(DISKS_MAXIMUM) {
        let address = format!("v1/samples?node={}&disk={}&from={from}", encoded(node), encoded(disk));
        let Ok(answer) = api::get(&address).await else {
            failed += 1;
            continue;
        };
        let points = answer.items("space");
        let at = |point: &Thing| point.bytes("at").bytes();
        used.push(
            points.iter().map(|p| (at(p), p.bytes("maximum").saturating_sub(p.bytes("available")).bytes())).collect(),
        );
        promised.push(points.iter().map(|p| (at(p), p.bytes("scheduled").bytes())).collect());
    }
    Known { used: total(&used), promised: total(&promised), failed }
}

/// `node`: nodes with the names of their disks.
#[component]
pub(crate) fn RoomOverTime(node: Signal<Vec<(String, Vec<String>)>>) -> impl IntoView {
    let live = Live::expect();
    let span = RwSignal::new(SPANS[0].1);
    let known = RwSignal::new(None::<Known>);
    let wanted = Memo::new(move |_| {
        let pairs = |(node, disks): (String, Vec<String>)| disks.into_iter().map(move |disk| (node.clone(), disk));
        (span.get(), node.get().into_iter().flat_map(pairs).collect::<Vec<_>>())
    });
    Effect::new(move |_| {
        let (span, disks) = wanted.get();
        spawn_local(async move {
            let answer = load(&disks, span).await;
            // Another span may have been chosen, or the page left.
            if wanted.try_get_untracked().is_some_and(|now| now == (span, disks)) {
                _ = known.try_set(Some(answer));
            }
        });
    });
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_wrap,
        reason = "drawn with three digits; seconds since 1970"
    )]
    let points = |series: &growth::Series| {
        series.iter().map(|(at, value)| (*at as i64, Some(*value as f64))).collect::<Vec<_>>()
    };
    let series = Signal::derive(move || {
        known.with(|known| {
            let Some(known) = known else { return Vec::new() };
            vec![
                Series { name: tr("Used").to_owned(), points: points(&known.used) },
                Series { name: tr("Promised to replicas").to_owned(), points: points(&known.promised) },
            ]
        })
    });
    let enough = move || known.with(|known| known.as_ref().is_some_and(|known| known.used.len() > 1));
    let outlook = move || {
        let rate = known.with(|known| bytes_a_day(&known.as_ref()?.used))?;
        let names: Vec<String> = node.get().into_iter().map(|(name, _)| name).collect();
        let nodes = live.nodes.all();
        let disks = nodes.iter().filter(|node| names.contains(&node.name)).flat_map(|node| node.disks.values());
        let room: ByteSize = disks.map(|disk| disk.storage_available).sum();
        days_left(room.bytes(), rate).map(|days| fill("At this pace the free space lasts about {} days.", &[&days]))
    };
    let choice = move |(name, seconds): (&'static str, i64)| {
        view! {
            <button type="button" class="chip" aria-pressed=move || (span.get() == seconds).to_string() on:click=move |_| span.set(seconds)>{name}</button>
        }
    };
    let choices = move || view! { <div class="chips" role="group" aria-label=tr("Span of time")>{SPANS.into_iter().map(choice).collect_view()}</div> };
    view! {
        <Section title="Space over time" actions=choices>
            <Show when=enough fallback=move || view! { <p class="calm dim">{move || if known.with(Option::is_none) { tr("Looking…") } else { tr("Nothing is known of this time yet. A point is noted every minute.") }}</p> }>
                <LineChart title=tr("Used and promised") series unit=Unit::Bytes />
                <p class="xs">{outlook}</p>
            </Show>
        </Section>
    }
}
