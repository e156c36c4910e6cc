//! Which moments a cron expression means around now.

use aurochs_api::cron::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use time::{Duration, OffsetDateTime};

use crate::recurring::moments::Moments;

/// The moments of an expression, as seen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Never,
    At {
        /// The last one that has passed, and the next.
        last: Option<OffsetDateTime>,
        next: Option<OffsetDateTime>,
    },
    Every(std::time::Duration),
}

impl Times {
    /// In UTC, as Longhorn's managers run.
    pub(super) fn of(cron: &Cron, now: OffsetDateTime) -> Self {
        let Ok(now) = Timestamp::from_second(now.unix_timestamp()) else { return Self::Never };
        if let Cron::Every(period) = cron {
            return Self::Every(*period);
        }
        let moments = Moments { cron: *cron, zone: TimeZone::UTC, anchor: now };
        let last = moments.latest(Timestamp::MIN, now).and_then(moment);
        Self::At { last, next: moments.next(now).and_then(moment) }
    }

    /// When what was last done at `since` is due; it may have passed.
    pub(super) fn due(&self, since: OffsetDateTime) -> Option<OffsetDateTime> {
        match self {
            Self::Never => None,
            Self::At { last, next } => last.filter(|last| *last > since).or(*next),
            Self::Every(period) => since.checked_add(Duration::try_from(*period).ok()?),
        }
    }
}

fn moment(timestamp: Timestamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(timestamp.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn times(cron: &str, now: OffsetDateTime) -> Times {
        Times::of(&cron.parse().unwrap(), now)
    }

    #[test]
    fn the_last_and_the_next_moment_of_an_expression() {
        let now = datetime!(2026-11-21 17:34:56 UTC);
        for (cron, last, next) in [
            ("0 0 */7 * *", datetime!(2026-11-15 0:00 UTC), datetime!(2026-11-22 0:00 UTC)),
            ("* * * * *", datetime!(2026-11-21 17:34 UTC), datetime!(2026-11-21 17:35 UTC)),
            ("0 6 ? * SAT", datetime!(2026-11-21 6:00 UTC), datetime!(2026-11-28 6:00 UTC)),
            ("@yearly", datetime!(2026-01-01 0:00 UTC), datetime!(2027-01-01 0:00 UTC)),
        ] {
            assert_eq!(times(cron, now), Times::At { last: Some(last), next: Some(next) }, "{cron}");
        }
        let leap = Times::At { last: Some(datetime!(2024-02-29 0:00 UTC)), next: Some(datetime!(2028-02-29 0:00 UTC)) };
        assert_eq!(times("0 0 29 2 *", now), leap);
        assert!("0 0 30 2 *".parse::<Cron>().is_err(), "what never comes is not searched for");
    }

    #[test]
    fn what_was_missed_is_due_and_what_was_done_waits_for_the_next_moment() {
        let now = datetime!(2026-11-21 17:34:56 UTC);
        let weekly = times("0 0 */7 * *", now);
        let due = |since| weekly.due(since).unwrap();
        assert!(due(datetime!(2026-11-14 23:59:59 UTC)) <= now, "not done since the last moment");
        assert_eq!(due(datetime!(2026-11-15 0:00:01 UTC)), datetime!(2026-11-22 0:00 UTC));
        let each = times("@every 1h", now);
        assert_eq!(each.due(datetime!(2026-11-21 17:00 UTC)), Some(datetime!(2026-11-21 18:00 UTC)));
        assert_eq!(Times::Never.due(now), None);
    }
}
