//! The candidate that keeps usable space most equal: first the node, then its disk.

use std::collections::BTreeMap;

use aurochs_api::size::ByteSize;

use super::filter::Candidate;

/// The best of the candidates, `None` only when there is none.
#[must_use]
pub fn most_even<'a>(candidates: &[Candidate<'a>], size: ByteSize) -> Option<Candidate<'a>> {
    let mut nodes: BTreeMap<&str, ByteSize> = BTreeMap::new();
    for candidate in candidates {
        let sum = nodes.entry(candidate.node.name.as_str()).or_default();
        *sum = sum.saturating_add(candidate.disk.space.usable());
    }
    let names: Vec<&str> = nodes.keys().copied().collect();
    let usable: Vec<ByteSize> = nodes.values().copied().collect();
    let node = *names.get(best(&usable, size)?)?;

    let disks: Vec<Candidate<'a>> =
        candidates.iter().filter(|candidate| candidate.node.name == node).copied().collect();
    let usable: Vec<ByteSize> = disks.iter().map(|candidate| candidate.disk.space.usable()).collect();
    disks.get(best(&usable, size)?).copied()
}

/// Index of the entry that leaves the lowest score after giving up `size`. Entries without room count only when none
/// has room; then the roomiest is taken. Ties go to the first, so that the answer does not depend on chance.
fn best(usable: &[ByteSize], size: ByteSize) -> Option<usize> {
    let with_room = (0..usable.len()).filter(|&index| usable[index] >= size);
    let scored = with_room.map(|index| (index, score_without(usable, index, size)));
    let lowest = scored.min_by(|(_, left), (_, right)| left.total_cmp(right)).map(|(index, _)| index);
    lowest.or_else(|| (0..usable.len()).rev().max_by_key(|&index| usable[index]))
}

/// (maximum − minimum) / mean of usable space when the entry at `index` has given up `size`.
#[expect(clippy::cast_precision_loss, reason = "a ratio for comparing; 53 bits are plenty")]
fn score_without(usable: &[ByteSize], index: usize, size: ByteSize) -> f64 {
    let after = |(place, bytes): (usize, &ByteSize)| {
        if place == index { bytes.saturating_sub(size).0 as f64 } else { bytes.0 as f64 }
    };
    let values = usable.iter().enumerate().map(after);
    let (mut minimum, mut maximum, mut sum) = (f64::INFINITY, 0.0_f64, 0.0_f64);
    for value in values {
        minimum = minimum.min(value);
        maximum = maximum.max(value);
        sum += value;
    }
    let mean = sum / usable.len() as f64;
    if mean > 0.0 { (maximum - minimum) / mean } else { 0.0 }
}
