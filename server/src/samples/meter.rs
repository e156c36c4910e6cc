//! Counters of engines become what was done since the last look.

use std::collections::HashMap;

use aurochs_engine::grpc::engine_v1::{EngineStatus, IoCounters};

use super::io::IoSample;
use super::latency::Times;

/// Engines that are listened to, by name.
#[derive(Default)]
pub(super) struct Meters(HashMap<String, Meter>);

struct Meter {
    /// As they were at the last look, or when the engine was first heard: what it did before nobody saw.
    seen: Reading,
    latest: Reading,
}

#[derive(Clone, Default)]
struct Reading {
    counters: IoCounters,
    read_times: Times,
    write_times: Times,
}

impl Reading {
    fn of(status: &EngineStatus) -> Self {
        let times = status.io_latencies.as_ref();
        Self {
            counters: status.io.unwrap_or_default(),
            read_times: Times::of(times.and_then(|times| times.read.as_ref())),
            write_times: Times::of(times.and_then(|times| times.write.as_ref())),
        }
    }

    /// What was done since `before`. Counters that went down began anew: then all of it was.
    fn since(&self, before: &Self) -> IoSample {
        let (now, then) = (&self.counters, &before.counters);
        let pairs = [
            (now.reads, then.reads),
            (now.read_bytes, then.read_bytes),
            (now.writes, then.writes),
            (now.written_bytes, then.written_bytes),
        ];
        let times = self.read_times.since(&before.read_times).zip(self.write_times.since(&before.write_times));
        let Some((read_times, write_times)) = times.filter(|_| pairs.iter().all(|(now, then)| now >= then)) else {
            return self.since(&Self::default());
        };
        let [reads, read_bytes, writes, written_bytes] = pairs.map(|(now, then)| now - then);
        IoSample { known_deciseconds: 0, reads, read_bytes, writes, written_bytes, read_times, write_times }
    }
}

impl Meters {
    pub(super) fn told(&mut self, engine: &str, status: &EngineStatus) {
        if status.io.is_none() {
            return;
        }
        let latest = Reading::of(status);
        match self.0.get_mut(engine) {
            Some(meter) => meter.latest = latest,
            None => drop(self.0.insert(engine.to_owned(), Meter { seen: latest.clone(), latest })),
        }
    }

    pub(super) fn forget(&mut self, engine: &str) {
        self.0.remove(engine);
    }

    /// What each volume did since the last look, which was so many tenths of a second ago.
    pub(super) fn look(&mut self, deciseconds: u64) -> Vec<(String, IoSample)> {
        let mut found = Vec::with_capacity(self.0.len());
        for (engine, meter) in &mut self.0 {
            let done = meter.latest.since(&meter.seen);
            meter.seen.clone_from(&meter.latest);
            // As the controllers name them.
            let volume = engine.rsplit_once("-e-").map_or(engine.as_str(), |(volume, _)| volume);
            found.push((volume.to_owned(), IoSample { known_deciseconds: deciseconds, ..done }));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reads: u64) -> EngineStatus {
        let io = IoCounters { reads, read_bytes: reads * 4096, ..IoCounters::default() };
        EngineStatus { io: Some(io), ..EngineStatus::default() }
    }

    fn reads(meters: &mut Meters) -> Vec<u64> {
        meters.look(100).into_iter().map(|(_, done)| done.reads).collect()
    }

    #[test]
    fn only_what_was_seen_counts() {
        let mut meters = Meters::default();
        // It ran before this manager came.
        meters.told("v-e-0", &told(1000));
        assert_eq!(reads(&mut meters), [0]);
        meters.told("v-e-0", &told(1010));
        meters.told("v-e-0", &told(1025));
        assert_eq!(reads(&mut meters), [25]);
        assert_eq!(reads(&mut meters), [0], "silence: nothing moves");
        // Another process, whose counters begin at zero.
        meters.told("v-e-0", &told(7));
        assert_eq!(reads(&mut meters), [7]);
        meters.forget("v-e-0");
        assert!(reads(&mut meters).is_empty(), "nobody knows");
        meters.told("v-e-0", &EngineStatus::default());
        assert!(reads(&mut meters).is_empty(), "it told no counters");
    }
}
