//! Lines over time: drawn as SVG, read by pointing or with the arrow keys, with a table behind it for who doesn't see it.

use aurochs_api::size::ByteSize;
use leptos::html;
use leptos::prelude::*;

use crate::clock;
use crate::words::tr;

const SECONDS_A_DAY: i64 = 86_400;
/// Units of the drawing; the browser stretches it.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 160.0;
/// Rows of the table; more would be read by nobody.
const ROWS: usize = 12;
/// Tokens of the style sheet, one a line.
const COLOURS: [&str; 3] = ["chart-1", "chart-2", "chart-3"];

/// How figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    BytesPerSecond,
    PerSecond,
    Milliseconds,
}

impl Unit {
    pub(crate) fn write(self, value: f64) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts are not negative")]
        let bytes = || ByteSize(value.max(0.0) as u64);
        match self {
            Self::Bytes => bytes().to_string(),
            Self::BytesPerSecond => format!("{}/s", bytes()),
            Self::PerSecond => format!("{}/s", digits(value)),
            Self::Milliseconds => format!("{} ms", digits(value)),
        }
    }
}

/// Three digits are enough to read.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || size.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// One line: its name (already translated) and its points, seconds since 1970 and value; none where nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(i64, Option<f64>)>,
}

/// What is drawn: from when to when, and up to which value.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Frame {
    from: i64,
    to: i64,
    top: f64,
}

impl Frame {
    fn of(series: &[Series]) -> Option<Self> {
        let points = || series.iter().flat_map(|series| &series.points);
        let (from, to) = (points().map(|(at, _)| *at).min()?, points().map(|(at, _)| *at).max()?);
        let top = points().filter_map(|(_, value)| *value).fold(0.0, f64::max);
        Some(Self { from, to: to.max(from + 1), top: round_up(top) })
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
    fn x(self, at: i64) -> f64 {
        (at - self.from) as f64 / (self.to - self.from) as f64 * WIDTH
    }

    fn y(self, value: f64) -> f64 {
        HEIGHT - value / self.top * HEIGHT
    }

    /// A time as it stands at an end: `14:05` within a day, else with the date.
    fn say(self, at: i64) -> String {
        let begin = if self.to - self.from <= SECONDS_A_DAY { 11 } else { 5 };
        clock::wall_time(at).get(begin..16).unwrap_or_default().to_owned()
    }

    /// A line with gaps where nothing is known; a point alone is a dot.
    fn path(self, series: &Series) -> String {
        let mut path = String::new();
        let mut pen = 'M';
        for (at, value) in &series.points {
            match value {
                Some(value) => {
                    path.push_str(&format!("{pen}{:.1} {:.1}", self.x(*at), self.y(*value)));
                    if pen == 'M' {
                        path.push_str("h0");
                    }
                    pen = 'L';
                }
                None => pen = 'M',
            }
        }
        path
    }
}

/// The next of 1, 2, 5, 10, 20, 50 and so on.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let scale = 10f64.powf(value.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * scale >= value * (1.0 - 1e-9));
    step.unwrap_or(10.0) * scale
}

/// The moment nearest to a share of the time shown.
fn nearest(series: &[Series], frame: Frame, share: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "seconds")]
    let wanted = frame.from + ((frame.to - frame.from) as f64 * share) as i64;
    let moments = series.iter().flat_map(|series| series.points.iter().map(|(at, _)| *at));
    moments.min_by_key(|at| (at - wanted).abs())
}

#[component]
pub(crate) fn LineChart(
    /// What it shows, already translated.
    #[prop(into)]
    title: Signal<String>,
    #[prop(into)] series: Signal<Vec<Series>>,
    unit: Unit,
) -> impl IntoView {
    let frame = Memo::new(move |_| series.with(|series| Frame::of(series)));
    let pointed = RwSignal::new(None::<i64>);
    let plot = NodeRef::<html::Div>::new();
    let point = move |event: leptos::ev::PointerEvent| {
        let (Some(plot), Some(frame)) = (plot.get_untracked(), frame.get_untracked()) else { return };
        let place = plot.get_bounding_client_rect();
        let share = (f64::from(event.client_x()) - place.left()) / place.width().max(1.0);
        pointed.set(series.with_untracked(|series| nearest(series, frame, share.clamp(0.0, 1.0))));
    };
    let keys = move |event: leptos::ev::KeyboardEvent| {
        let step = match event.key().as_str() {
            "ArrowLeft" => -1,
            "ArrowRight" => 1,
            _ => return,
        };
        event.prevent_default();
        pointed.update(|at| *at = series.with_untracked(|series| neighbour(series, *at, step)));
    };
    let readings = move || {
        pointed.get().map(|at| {
            let value = |series: &Series| {
                let value = series.points.iter().find(|(other, _)| *other == at).and_then(|(_, value)| *value);
                (series.name.clone(), value.map_or_else(|| "–".to_owned(), |value| unit.write(value)))
            };
            (at, series.with(|series| series.iter().map(value).collect::<Vec<_>>()))
        })
    };
    let lines = move || {
        frame.get().map(|frame| {
            let line = |(index, series): (usize, &Series)| {
                let style = format!("stroke:var(--{})", COLOURS[index % COLOURS.len()]);
                view! { <path d=frame.path(series) style=style vector-effect="non-scaling-stroke" /> }
            };
            series.with(|series| series.iter().enumerate().map(line).collect_view())
        })
    };
    let cursor = move || {
        let (at, frame) = (pointed.get()?, frame.get()?);
        let x = frame.x(at);
        Some(view! { <line class="cursor" x1=x x2=x y1="0" y2=HEIGHT vector-effect="non-scaling-stroke" /> })
    };
    let grid = (1..4).map(|part| {
        let y = HEIGHT * f64::from(part) / 4.0;
        view! { <line class="rule" x1="0" x2=WIDTH y1=y y2=y vector-effect="non-scaling-stroke" /> }
    });
    let names = move || {
        let name = |(index, series): (usize, &Series)| {
            let style = format!("background:var(--{})", COLOURS[index % COLOURS.len()]);
            let name = series.name.clone();
            let reading = move || readings().and_then(|(_, values)| values.get(index).map(|(_, value)| value.clone()));
            view! { <li><i style=style></i>{name}<strong class="num">{reading}</strong></li> }
        };
        series.with(|series| series.iter().enumerate().map(name).collect_view())
    };
    let top = move || frame.get().map(|frame| unit.write(frame.top));
    let ends = move || {
        frame.get().map(|frame| view! { <span>{frame.say(frame.from)}</span><span>{frame.say(frame.to)}</span> })
    };
    view! {
        <figure class="chart">
            <figcaption>
                <span>{move || title.get()}</span>
                <span class="xs" aria-live="polite">{move || pointed.get().map(clock::wall_time)}</span>
            </figcaption>
            <Show when=move || frame.get().is_some() fallback=|| view! { <p class="calm dim">{tr("Nothing measured yet.")}</p> }>
                <div
                    class="plot"
                    node_ref=plot
                    tabindex="0"
                    role="img"
                    aria-label=move || title.get()
                    on:pointermove=point
                    on:pointerleave=move |_| pointed.set(None)
                    on:blur=move |_| pointed.set(None)
                    on:keydown=keys
                >
                    <span class="xs top" aria-hidden="true">{top}</span>
                    <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") preserveAspectRatio="none" aria-hidden="true">
                        {grid.clone().collect_view()}
                        {lines}
                        {cursor}
                    </svg>
                </div>
                <div class="ends xs" aria-hidden="true">{ends}</div>
                <ul class="names">{names}</ul>
                <Table title series unit />
            </Show>
        </figure>
    }
}

/// The moment before or after; from none the last one.
fn neighbour(series: &[Series], at: Option<i64>, step: isize) -> Option<i64> {
    let mut moments: Vec<i64> = series.iter().flat_map(|series| series.points.iter().map(|(at, _)| *at)).collect();
    moments.sort_unstable();
    moments.dedup();
    let last = moments.len().checked_sub(1)?;
    let index = match at.and_then(|at| moments.binary_search(&at).ok()) {
        Some(index) => index.saturating_add_signed(step).min(last),
        None => last,
    };
    moments.get(index).copied()
}

/// The same figures to read one by one, a dozen of them.
#[component]
fn Table(title: Signal<String>, series: Signal<Vec<Series>>, unit: Unit) -> impl IntoView {
    let heads = move || {
        series.with(|series| {
            series.iter().map(|series| view! { <th scope="col">{series.name.clone()}</th> }).collect_view()
        })
    };
    let rows = move || {
        series.with(|series| {
            let moments: Vec<i64> =
                series.first().map(|series| series.points.iter().map(|(at, _)| *at).collect()).unwrap_or_default();
            let step = moments.len().div_ceil(ROWS).max(1);
            let row = |at: &i64| {
                let cell = |series: &Series| {
                    let value = series.points.iter().find(|(other, _)| other == at).and_then(|(_, value)| *value);
                    view! { <td>{value.map(|value| unit.write(value))}</td> }
                };
                view! { <tr><th scope="row">{clock::wall_time(*at)}</th>{series.iter().map(cell).collect_view()}</tr> }
            };
            moments.iter().step_by(step).map(row).collect_view()
        })
    };
    view! {
        <div class="sr-only">
            <table>
                <caption>{move || title.get()}</caption>
                <thead><tr><th scope="col">{tr("Time")}</th>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(i64, Option<f64>)]) -> Vec<Series> {
        vec![Series { name: "a".into(), points: points.to_vec() }]
    }

    #[test]
    fn a_line_has_gaps_where_nothing_is_known() {
        let series = series(&[(0, Some(0.0)), (10, None), (20, Some(4.0)), (30, Some(5.0))]);
        let frame = Frame::of(&series).unwrap();
        assert_eq!(frame, Frame { from: 0, to: 30, top: 5.0 });
        assert_eq!(frame.path(&series[0]), "M0.0 160.0h0M400.0 32.0h0L600.0 0.0");
        assert_eq!(Frame::of(&[]), None);
    }

    #[test]
    fn pointing_and_keys_find_moments() {
        let series = series(&[(0, Some(1.0)), (10, Some(1.0)), (20, Some(1.0))]);
        let frame = Frame::of(&series).unwrap();
        assert_eq!(nearest(&series, frame, 0.6), Some(10));
        assert_eq!(neighbour(&series, None, -1), Some(20));
        assert_eq!(neighbour(&series, Some(0), -1), Some(0));
        assert_eq!(neighbour(&series, Some(0), 1), Some(10));
    }

    #[test]
    fn figures_are_round() {
        for (value, top) in [(0.0, 1.0), (3.0, 5.0), (5.0, 5.0), (0.11, 0.2), (700.0, 1000.0)] {
            assert!((round_up(value) - top).abs() < 1e-9, "{value}");
        }
        assert_eq!(Unit::Milliseconds.write(1.234), "1.23 ms");
        assert_eq!(Unit::BytesPerSecond.write(1024.0), "1 KiB/s");
        assert_eq!(Unit::PerSecond.write(12.34), "12.3/s");
    }
}
