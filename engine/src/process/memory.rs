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
/// Looks in a row that have to find it idle. Longer than the 10 s for which tokio keeps threads that wait for disks, so
/// that what belonged to them is free too.
const QUIET_LOOKS: u32 = 3;
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
            crate::disk::pool::empty();
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
    quiet_looks: u32,
    /// Processor time used when memory was given back last.
    given_back: Option<Duration>,
}

impl Idleness {
    /// With `used`, the processor time of the process so far, says whether now is a time to give memory back.
    fn look(&mut self, used: Duration) -> bool {
        let since_last = used.saturating_sub(std::mem::replace(&mut self.seen, used));
        self.quiet_looks = if since_last <= QUIET { self.quiet_looks.saturating_add(1) } else { 0 };
        let worthwhile = self.given_back.is_none_or(|before| used.saturating_sub(before) >= WORTHWHILE);
        let now = worthwhile && self.quiet_looks >= QUIET_LOOKS;
        if now {
            self.given_back = Some(used);
        }
        now
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
            (410, false),
            (410, false),
            (420, true),
            (430, false),   // idle already
            (2_000, false), // busy
            (2_010, false),
            (9_000, false),
            (9_030, false),
            (9_030, false),
            (9_060, true),
            (9_150, false), // little was done
            (9_170, false),
            (9_180, false),
            (9_190, false),
            (9_300, false), // more, with that before
            (9_310, false),
            (9_320, false),
            (9_330, true),
        ];
        for (used, expected) in looks {
            assert_eq!(idleness.look(Duration::from_millis(used)), expected, "at {used} ms");
        }
    }
}
