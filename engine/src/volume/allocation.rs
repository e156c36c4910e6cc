//! Where a volume has data, for clients that skip holes.
//!
//! Invariant: **no block is called a hole whose write was acknowledged before the question.** One member answers, which
//! has every acknowledged write: a member that lacks one was recorded as dropped before the acknowledgement left, and is
//! not asked. Regions in which members may differ count as data without asking: what one lacks, another may have; and so do
//! blocks that are still in a backup. They are looked up first, since one that is made equal while the member answers is gone from the list afterwards, and the
//! answer may be of the time before.
//!
//! It needs no turn in the order of requests: it speaks for what was acknowledged before it came, and of what is in
//! flight it may say either.

use std::ops::Range;
use std::sync::Arc;

use super::Shared;
use super::barrier::OperationError;
use crate::frontend::{Allocation, Extent, IoError, IoErrorKind};
use crate::link::client::LinkError;
use crate::link::control::{ControlReply, ControlRequest};

/// Ranges with data in one answer: some 100 KiB on the link. Whoever wants more asks from there on.
const RANGES_MAXIMUM: usize = 2048;

/// Extents from `offset` on; they may end before `offset + length`.
pub(super) async fn extents(shared: &Arc<Shared>, offset: u64, length: u64) -> Result<Vec<Extent>, IoError> {
    shared.membership.check_running()?;
    let mut data = shared.unequal.parts(offset, length);
    data.truncate(RANGES_MAXIMUM);
    let mut known_to = end_of_full(&data).unwrap_or(offset + length);
    // What is still in a backup comes before the question for the same reason.
    let mut remote = shared.lazy.parts(offset, known_to - offset);
    remote.truncate(RANGES_MAXIMUM);
    known_to = end_of_full(&remote).unwrap_or(known_to);
    data.extend(remote);
    let request = ControlRequest::Allocation { offset, length: known_to - offset, maximum: RANGES_MAXIMUM };
    let asked = shared.any_member(|link| {
        let request = request.clone();
        async move {
            match link.control(&request).await? {
                ControlReply::Extents(found) => Ok(found),
                other => {
                    let cause = format!("answered a question for allocated space with {other:?}");
                    Err(LinkError::Lost { replica: link.name().to_owned(), cause })
                }
            }
        }
    });
    let found: Vec<_> = asked.await.map_err(failed)?.into_iter().map(|(start, length)| start..start + length).collect();
    known_to = known_to.min(end_of_full(&found).unwrap_or(known_to));
    data.extend(found);
    shared.membership.check_running()?;
    Ok(cut(offset..known_to, data))
}

/// Where a list ends that may be a part only.
fn end_of_full(ranges: &[Range<u64>]) -> Option<u64> {
    ranges.last().filter(|_| ranges.len() >= RANGES_MAXIMUM).map(|last| last.end)
}

fn failed(error: OperationError) -> IoError {
    IoError::new(IoErrorKind::Io, error.to_string())
}

/// `range` in extents; `data` comes in any order, may overlap and reach past the range.
fn cut(range: Range<u64>, mut data: Vec<Range<u64>>) -> Vec<Extent> {
    data.sort_unstable_by_key(|part| part.start);
    let mut extents: Vec<Extent> = Vec::new();
    let mut add = |length: u64, state| match extents.last_mut() {
        _ if length == 0 => {}
        Some(last) if last.state == state => last.length += length,
        _ => extents.push(Extent { length, state }),
    };
    let mut at = range.start;
    for part in data {
        let (start, end) = (part.start.clamp(at, range.end), part.end.clamp(at, range.end));
        add(start - at, Allocation::Hole);
        add(end - start, Allocation::Data);
        at = end.max(start);
    }
    add(range.end - at, Allocation::Hole);
    extents
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn extents_say_what_the_ranges_say(
            parts in proptest::collection::vec((0_u64..60, 0_u64..20), 0..12), start in 0_u64..30, length in 1_u64..40,
        ) {
            let data: Vec<_> = parts.iter().map(|(start, length)| *start..start + length).collect();
            let extents = cut(start..start + length, data.clone());
            let states: Vec<_> =
                extents.iter().flat_map(|extent| std::iter::repeat_n(extent.state, extent.length as usize)).collect();
            prop_assert_eq!(states.len() as u64, length);
            for (at, state) in (start..).zip(states) {
                let is_data = data.iter().any(|part| part.contains(&at));
                prop_assert_eq!(state == Allocation::Data, is_data, "byte {}", at);
            }
            prop_assert!(extents.windows(2).all(|pair| pair[0].state != pair[1].state));
            prop_assert!(extents.iter().all(|extent| extent.length > 0));
        }
    }

    #[test]
    fn a_list_that_is_full_may_be_a_part() {
        let full: Vec<_> = (0..RANGES_MAXIMUM as u64).map(|at| at * 2..at * 2 + 1).collect();
        assert_eq!(end_of_full(&full), Some(RANGES_MAXIMUM as u64 * 2 - 1));
        assert_eq!(end_of_full(&full[1..]), None);
    }
}
