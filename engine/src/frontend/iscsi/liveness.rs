//! Notices initiators that are gone without a word.
//!
//! Time is counted in beats. A beat in which nothing was heard leads to a ping; when several more are silent, too, the
//! connection is dead: its sessions, reservations and memory are needed by others.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// A dead connection is noticed after four to five of these.
const BEAT: Duration = Duration::from_secs(15);
const BEATS_TO_DEATH: u32 = 4;

pub(super) struct Liveness {
    beats: Interval,
    silence: Silence,
}

/// What a beat calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Nothing,
    Ping,
    Dead,
}

impl Liveness {
    pub(super) fn new() -> Self {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.reset();
        Self { beats, silence: Silence::default() }
    }

    pub(super) fn heard(&mut self) {
        self.silence.heard = true;
    }

    /// The next beat. May be dropped while it waits.
    pub(super) async fn beat(&mut self) -> Beat {
        self.beats.tick().await;
        self.silence.beat()
    }
}

#[derive(Debug, Default)]
struct Silence {
    heard: bool,
    beats: u32,
}

impl Silence {
    fn beat(&mut self) -> Beat {
        if std::mem::take(&mut self.heard) {
            self.beats = 0;
            return Beat::Nothing;
        }
        self.beats += 1;
        match self.beats {
            1 => Beat::Ping,
            BEATS_TO_DEATH.. => Beat::Dead,
            _ => Beat::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_asked_about_and_then_punished() {
        let mut silence = Silence { heard: true, beats: 0 };
        let beats: Vec<_> = (0..5).map(|_| silence.beat()).collect();
        assert_eq!(beats, [Beat::Nothing, Beat::Ping, Beat::Nothing, Beat::Nothing, Beat::Dead]);
    }

    #[test]
    fn an_answer_is_enough() {
        let mut silence = Silence::default();
        assert_eq!(silence.beat(), Beat::Ping);
        silence.heard = true;
        assert_eq!(silence.beat(), Beat::Nothing);
        assert_eq!(silence.beat(), Beat::Ping);
    }
}
