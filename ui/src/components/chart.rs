//! Lines over time.

use leptos::prelude::*;

/// How figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    BytesPerSecond,
    PerSecond,
    Milliseconds,
    Percent,
    Count,
}

/// One line: its name (already translated) and its points, seconds since 1970 and value; none where nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(i64, Option<f64>)>,
}

#[component]
pub(crate) fn LineChart(
    /// What it shows, already translated.
    #[prop(into)]
    title: Signal<String>,
    #[prop(into)] series: Signal<Vec<Series>>,
    unit: Unit,
) -> impl IntoView {
    _ = unit;
    view! { <figure class="chart" aria-label=move || title.get()>{move || series.with(Vec::len)}</figure> }
}
