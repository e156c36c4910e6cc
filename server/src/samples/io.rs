//! What a volume did within a step.

use aurochs_api::sample::IoPoint;

use super::chunk::Sample;
use super::latency::Times;
use super::varint::{Damaged, Reader, put};

/// Sums over the part of the step that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IoSample {
    /// Of the step; tenths of a second, so that looks that come a moment late are alike.
    pub(super) known_deciseconds: u64,
    pub(super) reads: u64,
    pub(super) read_bytes: u64,
    pub(super) writes: u64,
    pub(super) written_bytes: u64,
    pub(super) read_times: Times,
    pub(super) write_times: Times,
}

impl IoSample {
    pub(super) const fn is_idle(&self) -> bool {
        self.reads == 0 && self.writes == 0
    }

    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    pub(super) fn point(&self, at: u64) -> Option<IoPoint> {
        let seconds = self.known_deciseconds as f64 / 10.0;
        let rate = |count: u64| count as f64 / seconds;
        (seconds > 0.0).then(|| IoPoint {
            at,
            seconds,
            reads_per_second: rate(self.reads),
            writes_per_second: rate(self.writes),
            read_bytes_per_second: rate(self.read_bytes),
            written_bytes_per_second: rate(self.written_bytes),
            read: self.read_times.point(),
            write: self.write_times.point(),
        })
    }
}

impl Sample for IoSample {
    const KIND: &'static str = "io";

    fn merge(&mut self, later: &Self) {
        let add = |into: &mut u64, count: u64| *into = into.saturating_add(count);
        add(&mut self.known_deciseconds, later.known_deciseconds);
        add(&mut self.reads, later.reads);
        add(&mut self.read_bytes, later.read_bytes);
        add(&mut self.writes, later.writes);
        add(&mut self.written_bytes, later.written_bytes);
        self.read_times.merge(&later.read_times);
        self.write_times.merge(&later.write_times);
    }

    /// All numbers in their order; one without requests is nothing but how long it is known.
    fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.known_deciseconds << 1 | u64::from(!self.is_idle()));
        if self.is_idle() {
            return;
        }
        [self.reads, self.read_bytes, self.writes, self.written_bytes].into_iter().for_each(|number| put(out, number));
        self.read_times.encode(out);
        self.write_times.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let head = reader.number()?;
        let idle = Self { known_deciseconds: head >> 1, ..Self::default() };
        if head & 1 == 0 {
            return Ok(idle);
        }
        Ok(Self {
            reads: reader.number()?,
            read_bytes: reader.number()?,
            writes: reader.number()?,
            written_bytes: reader.number()?,
            read_times: Times::decode(reader)?,
            write_times: Times::decode(reader)?,
            ..idle
        })
    }
}
