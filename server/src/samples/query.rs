//! Points for who asks: from the step that fits, put together to the step that was asked for.

use std::collections::BTreeMap;

use aurochs_api::sample::{IoPoint, SpacePoint};

use super::chunk::Sample;
use super::level::{LEVELS, RAW_KEPT, RAW_STEP};
use super::memory::{Memory, Shelf};
use super::{Samples, Shared, keeper, sampler};

/// No answer has many more points: no screen has more columns.
pub const POINTS_MAXIMUM: u64 = 1000;
const POINTS_DEFAULT: u64 = 300;

/// A range of moments, in seconds since 1970, and the step that is wished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub from: u64,
    pub to: u64,
    pub step: Option<u64>,
}

/// Points, and the step that they have.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<P> {
    pub step: u64,
    pub points: Vec<P>,
}

/// Where points come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Raw,
    Level(usize),
}

impl Source {
    const fn step(self) -> u64 {
        match self {
            Self::Raw => RAW_STEP,
            Self::Level(number) => LEVELS[number].step,
        }
    }
}

impl Samples {
    /// Now, as samples count it.
    #[must_use]
    pub fn now() -> u64 {
        sampler::now()
    }

    /// What a volume did.
    pub async fn io(&self, volume: &str, asked: Asked) -> Result<Answer<IoPoint>, sqlx::Error> {
        let (step, samples) = points(&self.0, volume, asked, |memory| &memory.io).await?;
        Ok(Answer { step, points: samples.into_iter().filter_map(|(at, sample)| sample.point(at)).collect() })
    }

    /// What a disk had.
    pub async fn space(&self, node: &str, disk: &str, asked: Asked) -> Result<Answer<SpacePoint>, sqlx::Error> {
        let series = format!("{node}/{disk}");
        let asked = Asked { step: Some(asked.step.unwrap_or(0).max(LEVELS[0].step)), ..asked };
        let (step, samples) = points(&self.0, &series, asked, |memory| &memory.space).await?;
        Ok(Answer { step, points: samples.into_iter().map(|(at, sample)| sample.point(at)).collect() })
    }
}

async fn points<S: Sample>(
    shared: &Shared,
    series: &str,
    asked: Asked,
    shelf: impl Fn(&Memory) -> &Shelf<S>,
) -> Result<(u64, BTreeMap<u64, S>), sqlx::Error> {
    let (source, step) = plan(asked, sampler::now(), shared.memory().since);
    let mut found: Vec<(u64, S)> = Vec::new();
    match source {
        Source::Raw => found = shelf(&shared.memory()).recent(series, asked.from, asked.to),
        Source::Level(number) => {
            let level = LEVELS[number];
            let _turn = shared.writing.lock().await;
            if let Some(pool) = &shared.pool {
                found = keeper::read(pool, series, level, asked.from, asked.to).await?;
            }
            found.extend(shelf(&shared.memory()).pending(series, number, level));
        }
    }
    // A step that has begun before `from` is told where most of it is asked for.
    let first = asked.from - asked.from % step;
    let mut together = BTreeMap::new();
    for (at, sample) in found.into_iter().filter(|(at, _)| (first..asked.to).contains(at)) {
        together.entry(at - at % step).and_modify(|known: &mut S| known.merge(&sample)).or_insert(sample);
    }
    Ok((step, together))
}

/// The coarsest source that is as fine as wished and reaches back far enough; else the finest one that does.
fn plan(asked: Asked, now: u64, memory_since: Option<u64>) -> (Source, u64) {
    let length = asked.to.saturating_sub(asked.from);
    let wished = asked.step.unwrap_or_else(|| length.div_ceil(POINTS_DEFAULT));
    let wished = wished.max(length.div_ceil(POINTS_MAXIMUM)).max(1);
    let age = now.saturating_sub(asked.from);
    let is_remembered = age <= RAW_KEPT && memory_since.is_some_and(|since| since <= asked.from);
    let raw = is_remembered.then_some(Source::Raw);
    let levels = (0..LEVELS.len()).filter(|number| LEVELS[*number].kept >= age).map(Source::Level);
    let reaching: Vec<Source> = raw.into_iter().chain(levels).collect();
    let source = reaching.iter().rev().find(|source| source.step() <= wished).or_else(|| reaching.first());
    let source = source.copied().unwrap_or(Source::Level(LEVELS.len() - 1));
    (source, wished.div_ceil(source.step()) * source.step())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_that_fits() {
        const HOUR: u64 = 3600;
        const DAY: u64 = 24 * HOUR;
        let now = 1_000 * DAY;
        // (so long ago, length, wished step, memory knows, source, step)
        for (ago, length, wished, remembered, source, step) in [
            (HOUR, HOUR, None, true, Source::Raw, 20),
            (HOUR, HOUR, Some(10), true, Source::Raw, 10),
            (HOUR, HOUR, Some(1), true, Source::Raw, 10),
            (HOUR, HOUR, Some(10), false, Source::Level(0), 60),
            (HOUR, HOUR, Some(90), true, Source::Level(0), 120),
            (DAY, DAY, None, true, Source::Level(0), 300 - 12),
            (DAY, DAY, Some(1), true, Source::Level(0), 120),
            (7 * DAY, 7 * DAY, Some(60), true, Source::Level(1), 900),
            (7 * DAY, HOUR, Some(60), true, Source::Level(1), 300),
            (30 * DAY, HOUR, Some(60), true, Source::Level(2), 3600),
            (900 * DAY, HOUR, None, true, Source::Level(2), 3600),
            (900 * DAY, 900 * DAY, None, true, Source::Level(2), 72 * 3600),
            (0, 0, None, true, Source::Raw, 10),
        ] {
            let asked = Asked { from: now - ago, to: now - ago + length, step: wished };
            let since = remembered.then_some(0);
            let (found, found_step) = plan(asked, now, since);
            assert_eq!(found, source, "{ago} {length} {wished:?}");
            // Rounded up to whole steps of the source.
            let step = u64::div_ceil(step, source.step()) * source.step();
            assert_eq!(found_step, step, "{ago} {length} {wished:?}");
        }
    }
}
