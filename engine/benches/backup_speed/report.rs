//! What was measured, and what it says.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::limits;
use crate::settings::Settings;

/// Of the limit: what is aimed at.
const AIM: f64 = 0.85;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    MibPerSecond,
    Mib,
    Ratio,
    SecondsPerGib,
}

/// One figure of one round.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    name: String,
    unit: Unit,
    value: f64,
}

impl Figure {
    pub(crate) fn rate(name: &str, mib_per_second: f64) -> Self {
        Self { name: name.to_owned(), unit: Unit::MibPerSecond, value: mib_per_second }
    }

    pub(crate) fn memory(name: &str, mib: f64) -> Self {
        Self { name: name.to_owned(), unit: Unit::Mib, value: mib }
    }

    pub(crate) fn seconds_a_gib(name: &str, value: f64) -> Self {
        Self { name: name.to_owned(), unit: Unit::SecondsPerGib, value }
    }

    pub(crate) fn ratio(name: &str, value: f64) -> Self {
        Self { name: name.to_owned(), unit: Unit::Ratio, value }
    }
}

/// Everything; in the order in which it came first.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    size_bytes: u64,
    rounds: u32,
    cores: usize,
    load_before: f64,
    load_after: f64,
    order: Vec<String>,
    units: BTreeMap<String, Unit>,
    /// By name, a value a round.
    values: BTreeMap<String, Vec<f64>>,
    notes: Vec<String>,
}

impl Record {
    pub(crate) fn begin(settings: &Settings) -> Self {
        Self {
            size_bytes: settings.size(),
            rounds: settings.rounds(),
            cores: limits::cores(),
            load_before: load(),
            load_after: 0.0,
            order: Vec::new(),
            units: BTreeMap::new(),
            values: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, figures: Vec<Figure>) {
        for Figure { name, unit, value } in figures {
            if self.units.insert(name.clone(), unit).is_none() {
                self.order.push(name.clone());
            }
            self.values.entry(name).or_default().push(value);
        }
    }

    pub(crate) fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    pub(crate) fn end(&mut self) {
        self.load_after = load();
    }

    fn median(&self, name: &str) -> Option<f64> {
        median(self.values.get(name)?)
    }

    /// Median of the ratios of the rounds in which both were measured.
    fn of_limit(&self, name: &str, limit: &str) -> Option<f64> {
        let (values, limits) = (self.values.get(name)?, self.values.get(limit)?);
        let ratios: Vec<f64> = values.iter().zip(limits).map(|(value, limit)| value / limit).collect();
        median(&ratios)
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "Volume of {} MiB, {} rounds, {} cores, load {:.2} before and {:.2} after. Medians; least and most behind them.\n",
            self.size_bytes >> 20,
            self.rounds,
            self.cores,
            self.load_before,
            self.load_after
        );
        let _ = writeln!(text, "| what | median | least – most | of the limit of all cores |\n|---|---|---|---|");
        for name in &self.order {
            let Some(median) = self.median(name) else { continue };
            let values = &self.values[name];
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(0.0, f64::max);
            let (unit, digits) = match self.units[name] {
                Unit::MibPerSecond => (" MiB/s", 0),
                Unit::Mib => (" MiB", 1),
                Unit::Ratio => ("", 2),
                Unit::SecondsPerGib => (" s/GiB", 2),
            };
            let limit = match name.split(',').next() {
                Some("backup") => self.of_limit(name, "hash and compress, all cores"),
                Some("restore") => self.of_limit(name, "uncompress and hash, all cores"),
                _ => None,
            };
            let limit = limit.map_or(String::new(), |limit| {
                format!("{:.0} % ({})", limit * 100.0, if limit >= AIM { "reached" } else { "aim: 85 %" })
            });
            let _ =
                writeln!(text, "| {name} | {median:.digits$}{unit} | {least:.digits$} – {most:.digits$} | {limit} |");
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}.");
        }
        text
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// Processes that wanted to run, mean of the last minute.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
