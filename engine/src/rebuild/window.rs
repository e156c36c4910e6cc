//! How much of its full depth a copy may use beside foreground requests.
//!
//! ```text
//!           requests seen               the copy paused,
//!                                       latency known
//!   Idle ────────────────────► Quiet ────────────────────► Beside ──┐ every tick: the share is halved
//!    ▲                          ▲ │                          │ │ ▲  │ or grows a little
//!    │                          └─┼──────────────────────────┘ │ └──┘
//!    └────────────────────────────┴────────────────────────────┘
//!      no request for a while             now and then
//! ```
//!
//! A bound in milliseconds fits no two disks, so the latency that foreground requests have without the copy is
//! measured: the copy pauses for a moment every few seconds. Beside requests its share grows while their latency stays
//! within [`TOLERANCE`] of that, and is halved when it does not. It never falls below [`SHARE_LEAST`]: a rebuild that
//! stands still leaves the volume without its redundancy.

use std::time::Duration;

use crate::grpc::engine_v1::IoCounters;

/// Time between two looks at the foreground requests.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// Latency beside the copy over latency without it. A client that has one request in flight at a time keeps two thirds
/// of its throughput at this bound.
const TOLERANCE: f64 = 1.5;
/// Always allowed: on a quick disk, half as much again is within what the scheduler does to a request.
const SLACK: Duration = Duration::from_micros(200);
/// The share to begin with beside requests.
const SHARE_FIRST: f64 = 1.0 / 8.0;
const SHARE_LEAST: f64 = 1.0 / 64.0;
/// A look within the bound adds this much: from the first share to the whole in 6 s. Four times as much overshot the
/// bound in most looks.
const SHARE_STEP: f64 = 1.0 / 64.0;
/// Looks of a pause; the first one sees what was still in flight, and does not count.
const QUIET_TICKS: u32 = 3;
/// Looks between two pauses.
const BESIDE_TICKS: u32 = 50;
/// Looks without a request after which the volume counts as idle.
const IDLE_TICKS: u32 = 3;

/// What was seen of foreground requests since the look before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// Requests of any kind that ended.
    pub(super) ended: u64,
    /// Those of them whose time is known, and their times together.
    pub(super) timed: u64,
    pub(super) time: Duration,
    /// One was in flight at the moment of the look.
    pub(super) in_flight: bool,
}

impl Look {
    pub(super) fn between(before: &IoCounters, now: &IoCounters, in_flight: bool) -> Self {
        let timed = now.reads + now.writes - before.reads - before.writes;
        let others = now.flushes + now.discards - before.flushes - before.discards;
        let nanoseconds =
            now.read_nanoseconds + now.write_nanoseconds - before.read_nanoseconds - before.write_nanoseconds;
        Self { ended: timed + others, timed, time: Duration::from_nanos(nanoseconds), in_flight }
    }

    fn mean(timed: u64, time: Duration) -> Option<Duration> {
        let count = u32::try_from(timed).unwrap_or(u32::MAX);
        (count > 0).then(|| time / count)
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Quiet {
        ticks: u32,
        timed: u64,
        time: Duration,
    },
    /// No bound: nothing ended during the pause, and a slow volume is no reason to slow down.
    Beside {
        ticks: u32,
        bound: Option<Duration>,
    },
}

#[derive(Debug)]
pub(super) struct Window {
    state: State,
    /// In `Beside`.
    share: f64,
    without_requests: u32,
    was_in_flight: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self { state: State::Idle, share: SHARE_FIRST, without_requests: IDLE_TICKS, was_in_flight: false }
    }
}

impl Window {
    /// Part of the full depth that the copy may use now: 0 to 1.
    pub(super) fn share(&self) -> f64 {
        match self.state {
            State::Idle => 1.0,
            State::Quiet { .. } => 0.0,
            State::Beside { .. } => self.share,
        }
    }

    /// Takes one look into account.
    pub(super) fn look(&mut self, look: Look) {
        // A ping may be seen in flight once.
        let seen = look.ended > 0 || (look.in_flight && self.was_in_flight);
        self.was_in_flight = look.in_flight;
        self.without_requests = if seen { 0 } else { self.without_requests.saturating_add(1) };
        self.state = match self.state {
            _ if self.without_requests >= IDLE_TICKS => {
                self.share = SHARE_FIRST;
                State::Idle
            }
            State::Idle => State::Quiet { ticks: 0, timed: 0, time: Duration::ZERO },
            State::Quiet { ticks: 0, .. } => State::Quiet { ticks: 1, timed: 0, time: Duration::ZERO },
            State::Quiet { ticks, timed, time } => {
                let (ticks, timed, time) = (ticks + 1, timed + look.timed, time + look.time);
                let bound = Look::mean(timed, time).map(|alone| alone.mul_f64(TOLERANCE) + SLACK);
                if ticks < QUIET_TICKS {
                    State::Quiet { ticks, timed, time }
                } else {
                    State::Beside { ticks: 0, bound }
                }
            }
            State::Beside { ticks: BESIDE_TICKS.., .. } => State::Quiet { ticks: 0, timed: 0, time: Duration::ZERO },
            State::Beside { ticks, bound } => {
                self.adapt(look, bound);
                State::Beside { ticks: ticks + 1, bound }
            }
        };
    }

    fn adapt(&mut self, look: Look, bound: Option<Duration>) {
        let Some(bound) = bound else { return };
        let is_within = match Look::mean(look.timed, look.time) {
            Some(mean) => mean <= bound,
            // Requests are there, and none ended in all this time.
            None => !look.in_flight,
        };
        self.share = if is_within { (self.share + SHARE_STEP).min(1.0) } else { (self.share / 2.0).max(SHARE_LEAST) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(latency: Duration) -> Look {
        Look { ended: 10, timed: 10, time: latency * 10, in_flight: true }
    }

    /// A window beside requests that have this latency without the copy.
    fn beside(alone: Duration) -> Window {
        let mut window = Window::default();
        window.look(requests(alone));
        while window.share() == 0.0 {
            window.look(requests(alone));
        }
        window
    }

    #[test]
    fn an_idle_volume_gives_everything_and_a_ping_changes_nothing() {
        let mut window = Window::default();
        for look in 0..20 {
            window.look(Look { in_flight: look % 2 == 0, ..Look::default() });
            assert_eq!(window.share(), 1.0);
        }
    }

    #[test]
    fn the_share_follows_the_latency_and_never_ends() {
        let alone = Duration::from_millis(1);
        let mut window = beside(alone);
        let first = window.share();
        assert!(first > 0.0 && first < 0.2);
        for _ in 0..20 {
            window.look(requests(alone));
        }
        let grown = window.share();
        assert!(grown > first);
        window.look(requests(alone * 3));
        assert_eq!(window.share(), grown / 2.0);
        for _ in 0..20 {
            window.look(requests(alone * 3));
        }
        assert_eq!(window.share(), SHARE_LEAST);
    }

    #[test]
    fn the_latency_without_the_copy_is_measured_again() {
        let mut window = beside(Duration::from_millis(1));
        let (mut paused, mut most) = (0, 0.0_f64);
        for _ in 0..3 * (BESIDE_TICKS + QUIET_TICKS) {
            // The disk has become slow by itself.
            window.look(requests(Duration::from_millis(20)));
            paused += u32::from(window.share() == 0.0);
            most = most.max(window.share());
        }
        assert!(paused > 0 && paused <= 4 * QUIET_TICKS, "{paused} looks without a copy");
        assert!(most > SHARE_FIRST, "what is slow without the copy does not slow it down");
    }

    #[test]
    fn stalled_requests_make_way_and_the_end_of_them_gives_everything_back() {
        let mut window = beside(Duration::from_millis(1));
        let first = window.share();
        window.look(Look { in_flight: true, ..Look::default() });
        assert_eq!(window.share(), first / 2.0);
        for _ in 0..IDLE_TICKS {
            window.look(Look::default());
        }
        assert_eq!(window.share(), 1.0);
    }
}
