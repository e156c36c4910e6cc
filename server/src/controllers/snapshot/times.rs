//! Which moments a cron expression means around now.

use aurochs_api::cron::{Calendar, Cron, Minute};
use time::{Date, Duration, OffsetDateTime};

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

/// 29 February comes at least every eight years; what is further away is no moment.
const DAYS_SEARCHED: i64 = 8 * 366;

impl Times {
    /// In UTC, as Longhorn's managers run.
    pub(super) fn of(cron: &Cron, now: OffsetDateTime) -> Self {
        match cron {
            Cron::Every(period) => Self::Every(*period),
            Cron::At(calendar) => Self::At { last: last(calendar, now), next: next(calendar, now) },
        }
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

/// The last moment until now. Days are searched first, then the minutes of one day: this is asked for every volume.
fn last(calendar: &Calendar, now: OffsetDateTime) -> Option<OffsetDateTime> {
    (0..DAYS_SEARCHED).find_map(|back| {
        let day = now.date().checked_sub(Duration::days(back)).filter(|day| calendar.fits_day(midnight(*day)))?;
        let until = if back == 0 { minute_of_day(now) } else { u16::MAX };
        at(day, calendar.last_until(until)?)
    })
}

/// The first moment after this minute.
fn next(calendar: &Calendar, now: OffsetDateTime) -> Option<OffsetDateTime> {
    (0..DAYS_SEARCHED).find_map(|ahead| {
        let day = now.date().checked_add(Duration::days(ahead)).filter(|day| calendar.fits_day(midnight(*day)))?;
        let from = if ahead == 0 { minute_of_day(now) + 1 } else { 0 };
        at(day, calendar.first_from(from)?)
    })
}

fn at(day: Date, (hour, minute): (u8, u8)) -> Option<OffsetDateTime> {
    Some(day.with_hms(hour, minute, 0).ok()?.assume_utc())
}

fn minute_of_day(moment: OffsetDateTime) -> u16 {
    u16::from(moment.hour()) * 60 + u16::from(moment.minute())
}

fn midnight(day: Date) -> Minute {
    let weekday = day.weekday().number_days_from_sunday();
    Minute { minute: 0, hour: 0, day: day.day(), month: day.month().into(), weekday }
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

    /// Day by day and minute by minute comes to the same.
    #[test]
    fn the_search_by_days_misses_nothing() {
        let now = datetime!(2026-12-30 23:58:59 UTC);
        for cron in ["* * * * *", "58,59 23 * * *", "0 0 1 1 *", "*/17 3-5 */9 * mon", "0 12 31 * *", "30 4 13 * fri"] {
            let Cron::At(calendar) = cron.parse().unwrap() else { panic!("{cron}") };
            let this_minute = now.replace_second(0).unwrap();
            let fits = |moment: &OffsetDateTime| {
                let day = midnight(moment.date());
                calendar.fits(Minute { minute: moment.minute(), hour: moment.hour(), ..day })
            };
            let minutes = |from: i64, step: i64| {
                (from..90 * 1440).map(move |count| this_minute + Duration::minutes(step * count))
            };
            let slowly = Times::At { last: minutes(0, -1).find(fits), next: minutes(1, 1).find(fits) };
            if let Times::At { last: Some(_), next: Some(_) } = slowly {
                assert_eq!(times(cron, now), slowly, "{cron}");
            }
        }
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
