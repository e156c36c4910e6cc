//! Which moments a cron expression means around now.

use std::time::Duration;

use aurochs_api::cron::{Cron, Minute};
use time::OffsetDateTime;

/// The moments of an expression, as seen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Never,
    At {
        /// The last one that has passed, and the next.
        last: Option<OffsetDateTime>,
        next: Option<OffsetDateTime>,
    },
    Every(Duration),
}

/// Moments further away than this are none: 29 February comes at least every eight years, and a person who wishes
/// something that rare is served by a restart in between.
const MINUTES_SEARCHED: i64 = 400 * 24 * 60;

impl Times {
    /// In UTC, as Longhorn's managers run.
    pub(super) fn of(cron: &Cron, now: OffsetDateTime) -> Self {
        let cron = match cron {
            Cron::Every(period) => return Self::Every(*period),
            Cron::At(calendar) => calendar,
        };
        let this_minute = now.replace_second(0).and_then(|now| now.replace_nanosecond(0)).unwrap_or(now);
        let fits = |moment: &OffsetDateTime| cron.fits(minute(*moment));
        let minutes = |from: i64, step: i64| {
            (from..MINUTES_SEARCHED)
                .filter_map(move |count| this_minute.checked_add(time::Duration::minutes(step * count)))
        };
        Self::At { last: minutes(0, -1).find(fits), next: minutes(1, 1).find(fits) }
    }

    /// When what was last done at `since` is due; it may have passed.
    pub(super) fn due(&self, since: OffsetDateTime) -> Option<OffsetDateTime> {
        match self {
            Self::Never => None,
            Self::At { last, next } => last.filter(|last| *last > since).or(*next),
            Self::Every(period) => since.checked_add(time::Duration::try_from(*period).ok()?),
        }
    }
}

fn minute(moment: OffsetDateTime) -> Minute {
    Minute {
        minute: moment.minute(),
        hour: moment.hour(),
        day: moment.day(),
        month: moment.month().into(),
        weekday: moment.weekday().number_days_from_sunday(),
    }
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
        assert_eq!(times("0 0 30 2 *", now), Times::At { last: None, next: None });
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
