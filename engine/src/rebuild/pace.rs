//! When a piece of a copy may start: the limits that people set, and the room that foreground requests leave.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::window::{Look, TICK, Window};
use crate::volume::Shared;

/// Bytes of the largest piece.
pub(super) const PIECE: u32 = 1 << 20;
/// Bytes in flight at full depth, all sources together. Bounds the memory of a copy. On one machine 4, 8 and 16 MiB, in
/// pieces of 512 KiB or 1 MiB, are equally quick (340 to 390 MiB/s, two busy cores being the limit), pieces of 256 KiB a
/// tenth slower. 8 MiB fill a link of 10 Gbit/s while a piece takes 6 ms on its way through two disks.
const DEPTH_BYTES: f64 = (8 * PIECE) as f64;
/// Pieces in flight at full depth: small ones, from a layer of many holes.
pub(super) const DEPTH_PIECES: usize = 64;
/// The share at which one piece is in flight at a time; below it there are pauses.
const SHARE_OF_ONE: f64 = 1.0 / 8.0;
/// Sources at once where nobody has said how many. More than the joiner's disk and network can take in gain nothing.
const SOURCES_BY_ITSELF: usize = 4;

/// What people set; it counts from the next piece on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildPace {
    /// 0: as fast as foreground requests allow.
    pub max_bytes_per_second: u64,
    /// Members copied from at the same time; 0: all of them, up to four. Longhorn's
    /// `rebuild-concurrent-sync-limit` counts layers, and so does this: each source gives one at a time.
    pub concurrent_sources: u32,
}

/// The pace of a volume's rebuilds. Changeable at any time.
pub(crate) struct Pace {
    limits: watch::Sender<RebuildPace>,
    state: Mutex<State>,
    /// The first in line waits for its piece's turn, the others behind it.
    line: tokio::sync::Mutex<()>,
    /// There may be room now.
    room: Notify,
}

struct State {
    window: Window,
    bytes: u64,
    pieces: usize,
    /// Before this, the limit of bytes per second has been used up.
    paid_until: Instant,
    /// Before this, the disks belong to the foreground.
    pause_until: Instant,
}

/// A piece on its way; it is over when this goes.
pub(super) struct Admitted<'pace> {
    pace: &'pace Pace,
    bytes: u64,
    since: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            limits: watch::Sender::new(RebuildPace::default()),
            state: Mutex::new(State::new(Instant::now())),
            line: tokio::sync::Mutex::default(),
            room: Notify::new(),
        }
    }
}

impl Pace {
    pub(crate) fn get(&self) -> RebuildPace {
        *self.limits.borrow()
    }

    pub(crate) fn set(&self, limits: RebuildPace) {
        self.lock().paid_until = Instant::now();
        self.limits.send_replace(limits);
        self.room.notify_one();
    }

    /// Part of the full depth that foreground requests leave to a copy now: 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        self.lock().window.share()
    }

    /// Resolves when somebody sets other limits.
    pub(super) fn changes(&self) -> watch::Receiver<RebuildPace> {
        self.limits.subscribe()
    }

    /// How many of these sources may be copied from at the same time.
    pub(super) fn sources_allowed(&self) -> usize {
        match self.get().concurrent_sources {
            0 => SOURCES_BY_ITSELF,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a piece of so many bytes may start.
    pub(super) async fn admit(&self, bytes: u32) -> Admitted<'_> {
        let bytes = u64::from(bytes);
        let _first_in_line = self.line.lock().await;
        loop {
            let limit = self.get().max_bytes_per_second;
            let since = Instant::now();
            let until = match self.lock().admit(bytes, limit, since) {
                Ok(()) => return Admitted { pace: self, bytes, since },
                Err(until) => until,
            };
            tokio::select! {
                () = self.room.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    fn look(&self, look: Look) {
        self.lock().window.look(look);
        self.room.notify_one();
    }
}

impl State {
    fn new(now: Instant) -> Self {
        Self { window: Window::default(), bytes: 0, pieces: 0, paid_until: now, pause_until: now }
    }

    /// The time to ask again, where there is no room now.
    fn admit(&mut self, bytes: u64, bytes_per_second: u64, now: Instant) -> Result<(), Instant> {
        let share = self.window.share();
        let not_before = self.paid_until.max(self.pause_until);
        if not_before > now {
            return Err(not_before);
        }
        let has_room = self.pieces == 0 || self.has_room(bytes, share);
        if share == 0.0 || !has_room {
            return Err(now + TICK);
        }
        if let Some(seconds) = seconds_for(bytes, bytes_per_second) {
            self.paid_until = now + seconds;
        }
        self.bytes += bytes;
        self.pieces += 1;
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a few MiB and a few dozen pieces")]
    fn has_room(&self, bytes: u64, share: f64) -> bool {
        (self.bytes + bytes) as f64 <= share * DEPTH_BYTES && (self.pieces + 1) as f64 <= share * DEPTH_PIECES as f64
    }

    fn end(&mut self, bytes: u64, took: Duration, now: Instant) {
        self.bytes -= bytes;
        self.pieces -= 1;
        let share = self.window.share();
        if share > 0.0 && share < SHARE_OF_ONE {
            self.pause_until = now + took.mul_f64(SHARE_OF_ONE / share - 1.0);
        }
    }
}

fn seconds_for(bytes: u64, bytes_per_second: u64) -> Option<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "a time to wait")]
    (bytes_per_second > 0).then(|| Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64))
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        self.pace.lock().end(self.bytes, now - self.since, now);
        self.pace.room.notify_one();
    }
}

/// Keeps an eye on the foreground requests as long as a copy runs.
pub(super) async fn follow(pace: &Arc<Pace>, shared: &Shared) -> Infallible {
    pace.lock().window = Window::default();
    let mut before = shared.counters.snapshot();
    loop {
        tokio::time::sleep(TICK).await;
        let now = shared.counters.snapshot();
        let in_flight = shared.membership.view().members.iter().any(|member| member.link.in_flight() > 0);
        pace.look(Look::between(&before, &now, in_flight));
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = PIECE as u64;
    const SECOND: Duration = Duration::from_secs(1);

    fn busy(state: &mut State, latency: Duration) {
        state.window.look(Look { ended: 10, timed: 10, time: latency * 10, in_flight: true });
    }

    #[test]
    fn a_limit_spreads_the_pieces() {
        let mut now = Instant::now();
        let mut state = State::new(now);
        let began = now;
        for _ in 0..5 {
            while let Err(until) = state.admit(BYTES, BYTES, now) {
                now = until;
            }
            state.end(BYTES, Duration::ZERO, now);
        }
        assert_eq!(now - began, 4 * SECOND);
    }

    #[test]
    fn what_is_in_flight_is_bounded() {
        let now = Instant::now();
        let mut state = State::new(now);
        let admitted = |state: &mut State, bytes| (0..1000).take_while(|_| state.admit(bytes, 0, now).is_ok()).count();
        assert_eq!(admitted(&mut state, BYTES), 8, "by bytes");
        state.end(BYTES, SECOND, now);
        assert_eq!(admitted(&mut state, BYTES), 1);
        assert_eq!(admitted(&mut State::new(now), 4096), DEPTH_PIECES, "by number");
    }

    #[test]
    fn requests_get_a_pause_then_one_piece_at_a_time_then_pauses_between_them() {
        let mut now = Instant::now();
        let mut state = State::new(now);
        let latency = Duration::from_millis(1);
        busy(&mut state, latency);
        assert!(state.admit(BYTES, 0, now).is_err(), "in the pause");
        while state.window.share() == 0.0 {
            busy(&mut state, latency);
        }
        assert!(state.admit(BYTES, 0, now).is_ok());
        assert!(state.admit(BYTES, 0, now).is_err(), "a second one");
        busy(&mut state, 10 * latency);
        now += SECOND;
        state.end(BYTES, SECOND, now);
        assert_eq!(state.admit(BYTES, 0, now), Err(now + SECOND), "as long a pause as the piece took");
        assert!(state.admit(BYTES, 0, now + SECOND).is_ok());
    }

    #[tokio::test]
    async fn a_new_limit_counts_for_the_piece_that_waits() {
        let pace = Pace::default();
        pace.set(RebuildPace { max_bytes_per_second: 1, ..RebuildPace::default() });
        drop(pace.admit(PIECE).await);
        // It would wait for twelve days.
        tokio::join!(async { drop(pace.admit(PIECE).await) }, async { pace.set(RebuildPace::default()) });
    }
}
