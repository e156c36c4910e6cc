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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::space::DiskSpace;
    use crate::scheduling::{DiskView, NodeView};

    /// behaviour.md §2, row "final pick": the lowest (max − min) / mean of usable space after the placement.
    #[test]
    fn final_pick_of_one_level() {
        let rows: &[(&[u64], u64, Option<usize>)] = &[
            (&[100, 60], 20, Some(0)),
            (&[60, 100], 20, Some(1)),
            (&[100, 100], 20, Some(0)),
            (&[100, 90, 50], 10, Some(0)),
            // One must have the room, however uneven that makes them.
            (&[19, 20], 20, Some(1)),
            // None has: any, the roomiest.
            (&[10, 15], 20, Some(1)),
            (&[10, 10], 20, Some(0)),
            (&[], 20, None),
        ];
        for (usable, size, expected) in rows {
            let usable: Vec<ByteSize> = usable.iter().copied().map(ByteSize).collect();
            assert_eq!(best(&usable, ByteSize(*size)), *expected, "{usable:?} {size}");
        }
    }

    /// behaviour.md §2, row "final pick": the node first, then its disk; usable = available − reserved − scheduled.
    #[test]
    fn final_pick_node_then_disk() {
        let disk = |name: &str, available: u64, reserved: u64, scheduled: u64| DiskView {
            name: name.into(),
            space: DiskSpace {
                maximum: ByteSize(1000),
                available: ByteSize(available),
                reserved: ByteSize(reserved),
                scheduled: ByteSize(scheduled),
            },
            ..DiskView::default()
        };
        let node = |name: &str, disks| NodeView { name: name.into(), disks, ..NodeView::default() };
        let nodes = [
            node("a", vec![disk("a1", 80, 20, 10), disk("a2", 60, 0, 0)]),
            // The largest disk of all, and yet its node has less.
            node("b", vec![disk("b1", 100, 0, 0), disk("b2", 30, 10, 30)]),
        ];
        let candidates: Vec<Candidate<'_>> =
            nodes.iter().flat_map(|node| node.disks.iter().map(move |disk| Candidate { node, disk })).collect();
        let found = most_even(&candidates, ByteSize(20)).unwrap();
        assert_eq!((found.node.name.as_str(), found.disk.name.as_str()), ("a", "a2"));
        assert!(most_even(&[], ByteSize(20)).is_none());
    }
}
