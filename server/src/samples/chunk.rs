//! Many points of one series as the bytes of a row.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version: 1 |
//! | then, until the end | runs of equal points in a row: |
//! | varint | steps without a point since the run before |
//! | varint | points in the run, at least 1 |
//! | … | the sample that each of them is |
//!
//! A volume at rest, or a disk whose figures stay, is one run however long.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::varint::{Damaged, Reader, put};

const VERSION: u8 = 1;
/// No row has more; one that says so is damaged.
const POINTS_MAXIMUM: u64 = 1000;

/// One kind of sample.
pub(super) trait Sample: Clone + Debug + Default + PartialEq + Send + 'static {
    /// As the table has it.
    const KIND: &'static str;
    /// Puts what came later in the same step to it.
    fn merge(&mut self, later: &Self);
    fn encode(&self, out: &mut Vec<u8>);
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged>;
}

/// Points by the number of their step since the row's start.
pub(super) type Points<S> = BTreeMap<u64, S>;

pub(super) fn encode<S: Sample>(points: &Points<S>) -> Vec<u8> {
    let mut out = vec![VERSION];
    let (mut end, mut run) = (0, None::<(u64, u64, &S)>);
    for (step, sample) in points {
        match &mut run {
            Some((first, count, same)) if *first + *count == *step && *same == sample => *count += 1,
            _ => {
                write(&mut out, &mut end, run);
                run = Some((*step, 1, sample));
            }
        }
    }
    write(&mut out, &mut end, run);
    out
}

fn write<S: Sample>(out: &mut Vec<u8>, end: &mut u64, run: Option<(u64, u64, &S)>) {
    let Some((first, count, sample)) = run else { return };
    put(out, first - *end);
    put(out, count);
    sample.encode(out);
    *end = first + count;
}

pub(super) fn decode<S: Sample>(bytes: &[u8]) -> Result<Points<S>, Damaged> {
    let mut reader = Reader(bytes);
    if reader.byte()? != VERSION {
        return Err(Damaged);
    }
    let (mut points, mut step) = (Points::new(), 0_u64);
    while !reader.is_at_end() {
        let (gap, count) = (reader.number()?, reader.number()?);
        let first = step.checked_add(gap).ok_or(Damaged)?;
        step = first.checked_add(count).filter(|end| *end <= POINTS_MAXIMUM && count > 0).ok_or(Damaged)?;
        let sample = S::decode(&mut reader)?;
        points.extend((first..step).map(|step| (step, sample.clone())));
    }
    Ok(points)
}

/// Adds what came later.
pub(super) fn add<S: Sample>(points: &mut Points<S>, later: &Points<S>) {
    for (step, sample) in later {
        match points.get_mut(step) {
            Some(known) => known.merge(sample),
            None => drop(points.insert(*step, sample.clone())),
        }
    }
}
