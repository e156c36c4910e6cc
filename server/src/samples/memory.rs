//! The last hour in the finest step, and what is not written yet.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use super::chunk::{Points, Sample, add};
use super::io::IoSample;
use super::level::{LEVELS, Level, RAW_KEPT, RAW_STEP};
use super::space::SpaceSample;

/// Of all volumes and disks.
#[derive(Default)]
pub(super) struct Memory {
    /// When the last look was.
    pub(super) looked: Option<Instant>,
    /// The first moment that memory knows of, in seconds since 1970.
    pub(super) since: Option<u64>,
    pub(super) io: Shelf<IoSample>,
    pub(super) space: Shelf<SpaceSample>,
}

/// Of one kind, by series.
pub(super) struct Shelf<S> {
    series: HashMap<String, Series<S>>,
}

impl<S> Default for Shelf<S> {
    fn default() -> Self {
        Self { series: HashMap::new() }
    }
}

/// Rows that are not written, of each level, by their start.
pub(super) type Pending<S> = [BTreeMap<u64, Points<S>>; LEVELS.len()];

struct Series<S> {
    /// Runs of equal points: when the first begins, how many, what each is.
    recent: VecDeque<(u64, u64, S)>,
    pending: Pending<S>,
    /// There is something in `pending` that would be missed after a crash.
    has_news: bool,
}

impl<S> Default for Series<S> {
    fn default() -> Self {
        Self { recent: VecDeque::new(), pending: Pending::default(), has_news: false }
    }
}

/// Rows of one series on their way to the table.
pub(super) struct Row<S> {
    pub(super) series: String,
    pub(super) level: usize,
    pub(super) start: u64,
    pub(super) points: Points<S>,
}

/// Where the table can't be written, no more rows than these are kept for it.
const PENDING_ROWS_MAXIMUM: usize = 4;

impl<S: Sample> Shelf<S> {
    /// What was seen in the raw step that begins at `moment`. `is_news`: it differs from what would be thought anyway.
    pub(super) fn record(&mut self, series: &str, moment: u64, sample: &S, is_news: bool) {
        let series = match self.series.get_mut(series) {
            Some(known) => known,
            None => self.series.entry(series.to_owned()).or_default(),
        };
        series.has_news |= is_news;
        series.note(moment, sample);
        for (level, pending) in LEVELS.iter().zip(&mut series.pending) {
            let (row, step) = level.place(moment);
            add(pending.entry(row).or_default(), &Points::from([(step, sample.clone())]));
            while pending.len() > PENDING_ROWS_MAXIMUM {
                pending.pop_first();
            }
        }
    }

    /// Everything of a series.
    pub(super) fn remove(&mut self, series: &str) {
        self.series.remove(series);
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.series.keys()
    }

    /// The last sample of a series.
    pub(super) fn last(&self, series: &str) -> Option<&S> {
        self.series.get(series)?.recent.back().map(|(_, _, sample)| sample)
    }

    /// Takes the rows that have to be written now: those of series with news, those that are full, or all.
    pub(super) fn take(&mut self, now: u64, all: bool) -> Vec<Row<S>> {
        let mut taken = Vec::new();
        for (name, series) in &mut self.series {
            let due = all || std::mem::take(&mut series.has_news);
            for (number, level) in LEVELS.iter().enumerate() {
                let current = level.row_of(now);
                let rows = std::mem::take(&mut series.pending[number]);
                for (start, points) in rows {
                    if due || start < current {
                        taken.push(Row { series: name.clone(), level: number, start, points });
                    } else {
                        series.pending[number].insert(start, points);
                    }
                }
            }
        }
        let oldest = now.saturating_sub(RAW_KEPT);
        self.series.retain(|_, series| {
            series.forget_before(oldest);
            !series.recent.is_empty() || series.pending.iter().any(|rows| !rows.is_empty())
        });
        taken
    }

    /// What could not be written waits for the next time, before what has come since.
    pub(super) fn give_back(&mut self, rows: Vec<Row<S>>) {
        for Row { series, level, start, mut points } in rows {
            let series = self.series.entry(series).or_default();
            series.has_news = true;
            let pending = &mut series.pending[level];
            if let Some(since) = pending.get(&start) {
                add(&mut points, since);
            }
            pending.insert(start, points);
            while pending.len() > PENDING_ROWS_MAXIMUM {
                pending.pop_first();
            }
        }
    }

    /// Raw points, by their moment.
    pub(super) fn recent(&self, series: &str, from: u64, to: u64) -> Vec<(u64, S)> {
        let runs = self.series.get(series).into_iter().flat_map(|series| &series.recent);
        let points =
            runs.flat_map(|(first, count, sample)| (0..*count).map(move |number| (first + number * RAW_STEP, sample)));
        points.filter(|(at, _)| (from..to).contains(at)).map(|(at, sample)| (at, sample.clone())).collect()
    }

    /// What is not written of a level, by the moment of each point.
    pub(super) fn pending(&self, series: &str, number: usize, level: Level) -> Vec<(u64, S)> {
        let rows = self.series.get(series).into_iter().flat_map(|series| &series.pending[number]);
        let points =
            rows.flat_map(|(start, points)| points.iter().map(move |(step, one)| (start + step * level.step, one)));
        points.map(|(at, sample)| (at, sample.clone())).collect()
    }
}

impl<S: Sample> Series<S> {
    fn note(&mut self, moment: u64, sample: &S) {
        match self.recent.back_mut() {
            Some((first, count, same)) if *first + *count * RAW_STEP == moment && *same == *sample => *count += 1,
            _ => self.recent.push_back((moment, 1, sample.clone())),
        }
    }

    fn forget_before(&mut self, oldest: u64) {
        while let Some((first, count, _)) = self.recent.front_mut() {
            let gone = oldest.saturating_sub(*first).div_ceil(RAW_STEP).min(*count);
            (*first, *count) = (*first + gone * RAW_STEP, *count - gone);
            if *count > 0 {
                return;
            }
            self.recent.pop_front();
        }
    }
}
