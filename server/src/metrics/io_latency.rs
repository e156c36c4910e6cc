//! How long the requests to volumes took, as their engines tell it. Engines count from their start; what is kept here is
//! what each told last, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, Mutex, PoisonError};

use aurochs_api::latency::Latencies;
use aurochs_engine::grpc::engine_v1::{IoLatencies, LatencyCounts};

use super::histogram::Histogram;
use super::page::{Kind, Page};
use crate::resources::{Engine, Object};

/// What a volume is asked for, as the metric's label says it.
pub const OPERATIONS: [&str; 4] = ["read", "write", "flush", "unmap"];

/// Times of each of [`OPERATIONS`], in their order.
pub type ByOperation = [Latencies; OPERATIONS.len()];

/// From 16 µs, each twice the one before, to 17 s: ends of the engine's own buckets, so that the counts are exact.
const BOUNDS: [f64; BOUND_POWERS.len()] = {
    let mut bounds = [0.0; BOUND_POWERS.len()];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = (1_u64 << BOUND_POWERS[at]) as f64 / 1e9;
        at += 1;
    }
    bounds
};
const BOUND_POWERS: [u32; 21] = [14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34];

static ENGINES: LazyLock<Mutex<HashMap<String, ByOperation>>> = LazyLock::new(Mutex::default);

/// The engine with this uid told how long its requests took.
pub(super) fn told(engine: &str, told: Option<&IoLatencies>) {
    let Some(told) = told else { return };
    let by_operation = [&told.read, &told.write, &told.flush, &told.discard].map(|counts| read(counts.as_ref()));
    ENGINES.lock().unwrap_or_else(PoisonError::into_inner).insert(engine.to_owned(), by_operation);
}

fn read(counts: Option<&LatencyCounts>) -> Latencies {
    let Some(told) = counts else { return Latencies::default() };
    let filled = told.buckets.iter().zip(&told.counts).map(|(bucket, count)| (*bucket as usize, *count));
    Latencies::new(filled, told.total_nanoseconds)
}

/// Nobody listens to the engine any more.
pub(super) fn forget(engine: &str) {
    ENGINES.lock().unwrap_or_else(PoisonError::into_inner).remove(engine);
}

/// What the engine told last of all its requests since its start: where counts are lower than before, it began anew
/// ([`Latencies::since`]). None for one that nobody listens to.
#[must_use]
pub fn latencies(engine: &str) -> Option<ByOperation> {
    ENGINES.lock().unwrap_or_else(PoisonError::into_inner).get(engine).cloned()
}

pub(super) fn write<'a>(page: &mut Page, engines: impl Iterator<Item = &'a Object<Engine>>) {
    let mut family = page.family(
        "aurochs_volume_io_duration_seconds",
        Kind::Histogram,
        "Time that the volume took for requests, since its engine started.",
    );
    // While a volume moves it has two engines, and one series: that of the engine that serves it.
    let mut by_volume: BTreeMap<&str, (bool, ByOperation)> = BTreeMap::new();
    for engine in engines {
        let Some(latencies) = latencies(&engine.metadata.uid) else { continue };
        let of_volume = by_volume.entry(&engine.spec.volume_name).or_insert_with(|| (false, latencies.clone()));
        if engine.spec.active && !of_volume.0 {
            *of_volume = (true, latencies);
        }
    }
    for (volume, (_, by_operation)) in by_volume {
        for (operation, latencies) in OPERATIONS.iter().zip(&by_operation).filter(|(_, one)| one.count() > 0) {
            family.histogram(&[("volume", volume), ("operation", operation)], &histogram(latencies));
        }
    }
}

fn histogram(latencies: &Latencies) -> Histogram {
    let up_to = BOUND_POWERS.map(|power| latencies.shorter_than(1 << power));
    Histogram::of_cumulative(&BOUNDS, &up_to, latencies.count(), latencies.total())
}

#[cfg(test)]
mod tests {
    use aurochs_api::latency::bucket_of;

    use super::*;
    use crate::resources::engine::EngineSpec;

    fn counts(microseconds: &[u64]) -> Option<LatencyCounts> {
        let times: Vec<u64> = microseconds.iter().map(|time| time * 1000).collect();
        Some(LatencyCounts {
            buckets: times.iter().map(|time| u32::try_from(bucket_of(*time)).unwrap()).collect(),
            counts: times.iter().map(|_| 1).collect(),
            total_nanoseconds: times.iter().sum(),
        })
    }

    fn engine(name: &str, active: bool) -> Object<Engine> {
        let mut engine =
            Object::new(name, EngineSpec { volume_name: "moving".into(), active, ..EngineSpec::default() });
        engine.metadata.uid = format!("uid of {name}");
        engine
    }

    #[test]
    fn a_volume_has_one_series_for_each_operation_that_it_was_asked_for() {
        told(
            "uid of moving-e-0",
            Some(&IoLatencies { write: counts(&[9, 20, 700, 30_000_000]), ..IoLatencies::default() }),
        );
        told("uid of moving-e-1", Some(&IoLatencies { read: counts(&[9]), ..IoLatencies::default() }));
        let page = |active: bool| {
            let engines = [engine("moving-e-1", !active), engine("moving-e-0", active), engine("silent", true)];
            let mut page = Page::default();
            write(&mut page, engines.iter());
            page.into_text()
        };
        let text = page(true);
        let labels = "{volume=\"moving\",operation=\"write\"";
        for line in [
            format!("_bucket{labels},le=\"0.000016384\"}} 1\n"),
            format!("_bucket{labels},le=\"0.000032768\"}} 2\n"),
            format!("_bucket{labels},le=\"0.001048576\"}} 3\n"),
            format!("_bucket{labels},le=\"17.179869184\"}} 3\n"),
            format!("_bucket{labels},le=\"+Inf\"}} 4\n"),
            format!("_sum{labels}}} 30.000729\n"),
            format!("_count{labels}}} 4\n"),
        ] {
            assert!(text.contains(&line), "{line} is not in {text}");
        }
        assert!(!text.contains("read") && !text.contains("flush"), "{text}");
        let other = page(false);
        assert!(other.contains("operation=\"read\"") && !other.contains("operation=\"write\""), "{other}");
        forget("uid of moving-e-0");
        assert_eq!(latencies("uid of moving-e-0"), None);
        forget("uid of moving-e-1");
        assert_eq!(page(true), "");
    }
}
