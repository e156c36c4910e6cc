//! What keeps a process small: one heap, and giving memory back when a process that was busy has nothing to do any more.
//!
//! A node runs hundreds of engines and replicas, most of them idle. What a burst of requests needed for buffers would
//! otherwise stay with each of them for ever.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::sys::memory;

/// How often a process looks at how busy it is.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Processor time between two looks up to which a process counts as idle: pings and status questions take less.
const QUIET: Duration = Duration::from_millis(50);
/// Processor time after which there may be something to give back again.
const WORTHWHILE: Duration = Duration::from_millis(200);

/// For the start of a program, before it has threads.
pub fn begin_small() {
    memory::share_one_heap();
}

/// Looks for idle times until it is dropped.
pub async fn give_memory_back() {
    let mut idleness = Idleness::default();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Ok(used) = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID) else { return };
        if idleness.look(used.into()) {
            // Takes milliseconds after a busy time.
            let _ = tokio::task::spawn_blocking(memory::trim_heap).await;
            memory::forget_code();
        }
    }
}

#[derive(Debug, Default)]
struct Idleness {
    /// Processor time used at the last look.
    seen: Duration,
    /// Processor time used when memory was given back last.
    given_back: Option<Duration>,
}

impl Idleness {
    /// With `used`, the processor time of the process so far, says whether now is a time to give memory back.
    fn look(&mut self, used: Duration) -> bool {
        let quiet = used.saturating_sub(std::mem::replace(&mut self.seen, used)) <= QUIET;
        let worthwhile = self.given_back.is_none_or(|before| used.saturating_sub(before) >= WORTHWHILE);
        if quiet && worthwhile {
            self.given_back = Some(used);
        }
        quiet && worthwhile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_after_each_busy_time() {
        let mut idleness = Idleness::default();
        // Milliseconds of processor time, and whether it is time.
        let looks = [
            (400, false), // starting
            (410, true),
            (420, false),   // idle already
            (2_000, false), // busy
            (9_000, false),
            (9_030, true),
            (9_060, false),
            (9_150, false), // little was done
            (9_170, false),
            (9_300, false),
            (9_310, true),
        ];
        for (used, expected) in looks {
            assert_eq!(idleness.look(Duration::from_millis(used)), expected, "at {used} ms");
        }
    }
}
