//! What a volume did over time: operations, throughput, latency, live and past.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api::{self, ApiError};
use crate::clock;
use crate::components::chart::{LineChart, Series, Unit};
use crate::components::skeleton::Skeleton;
use crate::live::Thing;
use crate::words::tr;

/// A span that can be looked at: seconds, English name, and seconds after which it is asked for again.
type Span = (u32, &'static str, u64);

const HOUR: u32 = 3600;
const SPANS: [Span; 6] = [
    (HOUR, "Last hour", 10),
    (6 * HOUR, "6 hours", 60),
    (24 * HOUR, "Day", 60),
    (7 * 24 * HOUR, "Week", 300),
    (30 * 24 * HOUR, "Month", 300),
    (365 * 24 * HOUR, "Year", 300),
];

const NANOSECONDS_OF_A_MILLISECOND: f64 = 1e6;

/// What was found, and why the last try failed.
#[derive(Clone, Copy)]
struct Samples {
    found: RwSignal<Option<Thing>>,
    error: RwSignal<Option<ApiError>>,
}

impl Samples {
    /// Asked again while somebody looks; what was found stays until the next answer.
    fn follow(name: Memo<String>, span: Signal<Span>) -> Self {
        let samples = Self { found: RwSignal::new(None), error: RwSignal::new(None) };
        let turn = RwSignal::new(0_u64);
        Effect::new(move |_| {
            let (_, _, every) = span.get();
            let tick = move || {
                if !document().hidden() {
                    _ = turn.try_update(|turn| *turn += 1);
                }
            };
            let handle = set_interval_with_handle(tick, Duration::from_secs(every)).ok();
            on_cleanup(move || {
                if let Some(handle) = handle {
                    handle.clear();
                }
            });
        });
        Effect::new(move |_| {
            turn.track();
            let (asked, (seconds, _, _)) = (name.get(), span.get());
            spawn_local(async move {
                let from = clock::now() - i64::from(seconds);
                let encoded = String::from(js_sys::encode_uri_component(&asked));
                let answer = api::get(&format!("v1/samples?volume={encoded}&from={from}")).await;
                // Another volume or span may have been chosen meanwhile, or the page left.
                let is_wanted = name.try_get_untracked() == Some(asked)
                    && span.try_get_untracked().is_some_and(|(wanted, ..)| wanted == seconds);
                match answer {
                    Ok(found) if is_wanted => {
                        samples.error.set(None);
                        samples.found.set(Some(found));
                    }
                    Err(error) if is_wanted => samples.error.set(Some(error)),
                    _ => {}
                }
            });
        });
        samples
    }

    /// One line: a value of each point. Where nothing is known there is no point, so the line has a gap there.
    fn line(self, label: &'static str, value: impl Fn(&Thing) -> Option<f64>) -> Series {
        let points = self.found.with(|found| {
            let Some(found) = found else { return Vec::new() };
            #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
            let step = found.number("step").unwrap_or(1.0) as i64;
            let points = found.items("io").into_iter().map(|point| {
                #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
                let at = point.number("at").unwrap_or_default() as i64;
                (at, value(&point))
            });
            with_gaps(points, step)
        });
        Series { name: tr(label).to_owned(), points }
    }

    /// Whether there is anything to draw; none while the first answer is on its way.
    fn is_measured(self) -> Option<bool> {
        self.found.with(|found| found.as_ref().map(|found| found.at("io.0").is_some()))
    }
}

/// A point without value stands where steps are missing.
fn with_gaps(points: impl Iterator<Item = (i64, Option<f64>)>, step: i64) -> Vec<(i64, Option<f64>)> {
    let mut all: Vec<(i64, Option<f64>)> = Vec::new();
    for (at, value) in points {
        if let Some((last, _)) = all.last().filter(|(last, _)| at - last > step + step / 2) {
            all.push((last + step, None));
        }
        all.push((at, value));
    }
    all
}

/// All charts, with the choice of a span.
#[component]
pub(crate) fn PerformancePanel(name: Memo<String>) -> impl IntoView {
    let chosen = RwSignal::new(SPANS[0]);
    let samples = Samples::follow(name, chosen.into());
    let chip = move |span: Span| {
        view! {
            <button type="button" class="chip" aria-pressed=move || (chosen.get().0 == span.0).to_string() on:click=move |_| chosen.set(span)>
                {tr(span.1)}
            </button>
        }
    };
    view! {
        <section class="card" aria-label=tr("Performance") data-testid="performance">
            <div class="chips" role="group" aria-label=tr("Span of time")>{SPANS.map(chip).collect_view()}</div>
            <Measured samples view=ViewFn::from(move || view! {
                <div class="charts">
                    <Operations samples />
                    <Throughput samples />
                    <Latency samples label="Read latency" mean="read.mean" p99="read.p99" />
                    <Latency samples label="Write latency" mean="write.mean" p99="write.p99" />
                </div>
            }) />
        </section>
    }
}

/// The last hour in one card.
#[component]
pub(crate) fn LastHour(name: Memo<String>) -> impl IntoView {
    let samples = Samples::follow(name, Signal::stored(SPANS[0]));
    view! {
        <section class="card" aria-labelledby="hour-title" data-testid="last-hour">
            <div class="head">
                <h2 id="hour-title">{tr("Last hour")}</h2>
                <a class="right xs" href=move || format!("volumes/{}?tab=performance", name.get())>{tr("All charts")}</a>
            </div>
            <Measured samples view=ViewFn::from(move || view! { <Operations samples /> }) />
        </section>
    }
}

/// What is drawn of the samples, or why nothing is.
#[component]
fn Measured(samples: Samples, view: ViewFn) -> impl IntoView {
    let error = move || samples.error.get().map(|error| view! { <p class="failure">{error.message}</p> });
    let measured = Memo::new(move |_| samples.is_measured());
    let failed = Memo::new(move |_| samples.error.with(Option::is_some));
    let charts = move || match measured.get() {
        Some(true) => view.run(),
        Some(false) => view! {
            <p class="calm dim">{tr("Nothing was measured in this time. Points come while the volume is attached.")}</p>
        }
        .into_any(),
        None if failed.get() => ().into_any(),
        None => view! { <Skeleton lines=4 /> }.into_any(),
    };
    view! { {error}{charts} }
}

#[component]
fn Operations(samples: Samples) -> impl IntoView {
    let series = Signal::derive(move || {
        vec![
            samples.line("Writes", |point| point.number("writesPerSecond")),
            samples.line("Reads", |point| point.number("readsPerSecond")),
        ]
    });
    view! { <LineChart title=tr("Operations a second") series unit=Unit::PerSecond /> }
}

#[component]
fn Throughput(samples: Samples) -> impl IntoView {
    let series = Signal::derive(move || {
        vec![
            samples.line("Writes", |point| point.number("writtenBytesPerSecond")),
            samples.line("Reads", |point| point.number("readBytesPerSecond")),
        ]
    });
    view! { <LineChart title=tr("Throughput") series unit=Unit::BytesPerSecond /> }
}

#[component]
fn Latency(
    samples: Samples,
    label: &'static str,
    /// Paths in a point.
    mean: &'static str,
    p99: &'static str,
) -> impl IntoView {
    let series = Signal::derive(move || {
        vec![
            samples.line("Mean", |point| milliseconds(point, mean)),
            samples.line("99 of 100 are faster", |point| milliseconds(point, p99)),
        ]
    });
    view! { <LineChart title=tr(label) series unit=Unit::Milliseconds /> }
}

fn milliseconds(point: &Thing, path: &str) -> Option<f64> {
    point.number(path).map(|nanoseconds| nanoseconds / NANOSECONDS_OF_A_MILLISECOND)
}

#[cfg(test)]
mod tests {
    use super::with_gaps;

    #[test]
    fn a_missing_step_is_a_gap() {
        let points = [(0, Some(1.0)), (10, Some(2.0)), (40, Some(3.0))];
        let expected = vec![(0, Some(1.0)), (10, Some(2.0)), (20, None), (40, Some(3.0))];
        assert_eq!(with_gaps(points.into_iter(), 10), expected);
    }
}
