//! What engines tell of their I/O. Engines count up from their start; what is shown are rates over the last seconds, made
//! here, in memory: nothing that only counts up goes into the store.

use std::collections::{HashMap, VecDeque};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aurochs_engine::grpc::engine_v1::IoCounters;

/// Rates are means over this time.
const WINDOW: Duration = Duration::from_secs(10);
/// Samples are at least this far apart, so that a window is about a dozen of them.
const APART: Duration = Duration::from_millis(900);
/// An engine tells its counters at least every two seconds while they move: one that is silent longer does nothing.
const FRESH: Duration = Duration::from_secs(4);

/// Rates of one engine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) read: Rate,
    pub(super) write: Rate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rate {
    pub(super) bytes_per_second: f64,
    pub(super) operations_per_second: f64,
    /// Mean time of an operation; 0 without any.
    pub(super) latency_nanoseconds: f64,
}

type Samples = VecDeque<(Instant, IoCounters)>;

static ENGINES: LazyLock<Mutex<HashMap<String, Samples>>> = LazyLock::new(Mutex::default);

/// The engine with this uid told its counters.
pub(super) fn told(engine: &str, counters: Option<&IoCounters>) {
    let Some(counters) = counters else { return };
    let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    note(engines.entry(engine.to_owned()).or_default(), Instant::now(), *counters);
}

/// Nobody listens to the engine any more.
pub(super) fn forget(engine: &str) {
    ENGINES.lock().unwrap_or_else(PoisonError::into_inner).remove(engine);
}

/// The present rates of an engine; zero for one that told nothing lately.
pub(super) fn rates(engine: &str) -> Rates {
    let engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    engines.get(engine).map(|samples| over(samples, Instant::now())).unwrap_or_default()
}

fn note(samples: &mut Samples, now: Instant, counters: IoCounters) {
    if samples.back().is_some_and(|(_, last)| has_begun_anew(last, &counters)) {
        samples.clear();
    }
    // The youngest is replaced until it is far enough from the one before.
    if samples.len() > 1 && samples.iter().rev().nth(1).is_some_and(|(when, _)| now - *when < APART) {
        samples.pop_back();
    }
    samples.push_back((now, counters));
    while samples.len() > 2 && samples.get(1).is_some_and(|(when, _)| now - *when >= WINDOW) {
        samples.pop_front();
    }
}

/// Another process, whose counters begin at zero.
const fn has_begun_anew(last: &IoCounters, now: &IoCounters) -> bool {
    now.reads < last.reads || now.writes < last.writes
}

fn over(samples: &Samples, now: Instant) -> Rates {
    let (Some((from, first)), Some((to, last))) = (samples.front(), samples.back()) else { return Rates::default() };
    let seconds = (*to - *from).as_secs_f64();
    if now - *to > FRESH || seconds <= 0.0 {
        return Rates::default();
    }
    let rate = |operations: u64, bytes: u64, nanoseconds: u64| Rate {
        bytes_per_second: bytes as f64 / seconds,
        operations_per_second: operations as f64 / seconds,
        latency_nanoseconds: if operations == 0 { 0.0 } else { nanoseconds as f64 / operations as f64 },
    };
    let since = |now: u64, then: u64| now.saturating_sub(then);
    Rates {
        read: rate(
            since(last.reads, first.reads),
            since(last.read_bytes, first.read_bytes),
            since(last.read_nanoseconds, first.read_nanoseconds),
        ),
        write: rate(
            since(last.writes, first.writes),
            since(last.written_bytes, first.written_bytes),
            since(last.write_nanoseconds, first.write_nanoseconds),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(operations: u64) -> IoCounters {
        IoCounters {
            reads: operations,
            read_bytes: operations * 4096,
            read_nanoseconds: operations * 50_000,
            writes: operations / 2,
            ..IoCounters::default()
        }
    }

    #[test]
    fn rates_are_means_over_the_last_seconds() {
        let (mut samples, start) = (Samples::new(), Instant::now());
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        assert_eq!(over(&samples, start), Rates::default());
        // 100 a second for a minute, told four times a second; then 300 a second.
        for quarter in 0..240 {
            note(&mut samples, at(quarter * 250), counters(quarter * 25));
        }
        assert!(samples.len() < 20, "{}", samples.len());
        let read = over(&samples, at(60_000)).read;
        assert!((read.operations_per_second - 100.0).abs() < 1e-6, "{read:?}");
        assert!((read.bytes_per_second - 409_600.0).abs() < 1e-3 && (read.latency_nanoseconds - 50_000.0).abs() < 1e-6);
        for quarter in 0..60 {
            note(&mut samples, at(60_000 + quarter * 250), counters(6000 + quarter * 75));
        }
        let now = over(&samples, at(75_000));
        assert!((now.read.operations_per_second - 300.0).abs() < 1e-6, "{now:?}");
        assert!((now.write.operations_per_second - 150.0).abs() < 1.0 && now.write.latency_nanoseconds == 0.0);
        // Silence: nothing moves.
        assert_eq!(over(&samples, at(80_000)), Rates::default());
        // A new process begins at zero.
        note(&mut samples, at(81_000), counters(0));
        assert_eq!(over(&samples, at(81_000)), Rates::default());
        note(&mut samples, at(82_000), counters(10));
        assert!((over(&samples, at(82_000)).read.operations_per_second - 10.0).abs() < 1e-6);
    }
}
