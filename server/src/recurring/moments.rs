//! Which moments a cron means, on a clock that people live by.
//!
//! A zone is a row of spans of one offset each, and within a span its clock goes evenly. So the search walks from span to
//! span, and looks at what is lost or repeated between two of them:
//!
//! ```text
//!             fixed hours ("0 2 * * *")              every hour ("30 * * * *")
//!  skipped    once, right after the gap              not at all: the rhythm goes on
//!  repeated   once, the first time                   both times: the rhythm goes on
//! ```

use aurochs_api::cron::{Calendar, Cron, Minute};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// 29 February comes at least every eight years; what is further away is no moment.
const DAYS_SEARCHED: i64 = 8 * 366;
/// Ever wider looks back for the last moment, in hours: most crons come often.
const HOURS_BACK: [i64; 5] = [1, 24, 32 * 24, 366 * 24, (DAYS_SEARCHED + 1) * 24];
/// Missed moments are counted up to a hundred, beside the one that is run.
pub const COUNTED_MAXIMUM: usize = 101;

/// A cron on its clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    pub cron: Cron,
    pub zone: TimeZone,
    /// Where `@every` counts from.
    pub anchor: Timestamp,
}

impl Moments {
    /// The first one after this moment.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.cron {
            Cron::At(calendar) => next(calendar, &self.zone, after),
            Cron::Every(period) => {
                let period = i64::try_from(period.as_secs()).ok().filter(|seconds| *seconds > 0)?;
                let anchor = self.anchor.as_second();
                let periods = (after.as_second() - anchor).div_euclid(period).checked_add(1)?.max(1);
                Timestamp::from_second(anchor.checked_add(periods.checked_mul(period)?)?).ok()
            }
        }
    }

    /// The next few after this moment.
    pub fn following(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(after), |moment| self.next(*moment))
    }

    /// The last one that is later than `after` and not later than `until`.
    #[must_use]
    pub fn latest(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        if let Cron::Every(period) = &self.cron {
            let period = SignedDuration::try_from(*period).ok()?;
            return self.next(until)?.checked_sub(period).ok().filter(|last| *last > after && *last > self.anchor);
        }
        HOURS_BACK.iter().find_map(|hours| {
            let from = until.checked_sub(SignedDuration::from_hours(*hours)).unwrap_or(Timestamp::MIN).max(after);
            self.following(from).take_while(|moment| *moment <= until).last()
        })
    }

    /// How many there are after `after` until `until`, up to [`COUNTED_MAXIMUM`].
    #[must_use]
    pub fn count(&self, after: Timestamp, until: Timestamp) -> usize {
        self.following(after).take_while(|moment| *moment <= until).take(COUNTED_MAXIMUM).count()
    }
}

fn next(calendar: &Calendar, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let keeps_rhythm = calendar.is_every_hour();
    let mut now = after;
    let mut from = following_minute(zone.to_offset(after).to_datetime(after))?;
    if let (Some(before), false) = (repeated_until(zone, after), keeps_rhythm) {
        from = from.max(before);
    }
    let last_day = from.date().checked_add(DAYS_SEARCHED.days()).unwrap_or(Date::MAX);
    loop {
        let offset = zone.to_offset(now);
        let change = zone.following(now).next().map(|change| change.timestamp());
        let end = change.map_or(last_day.at(23, 59, 0, 0), |change| offset.to_datetime(change));
        if let Some(found) = first_within(calendar, from, end.min(last_day.at(23, 59, 0, 0))) {
            return offset.to_timestamp(found).ok();
        }
        let change = change.filter(|_| end.date() < last_day)?;
        let begin = zone.to_offset(change).to_datetime(change);
        let was_skipped = || begin > end && first_within(calendar, end, begin).is_some();
        if !keeps_rhythm && was_skipped() {
            return Some(change);
        }
        // What comes a second time was there before.
        from = if keeps_rhythm { begin } else { begin.max(end) };
        from = whole_minute(from)?;
        now = change;
    }
}

/// Until when, by the clock of its span, a moment repeats what the span before had already.
fn repeated_until(zone: &TimeZone, moment: Timestamp) -> Option<DateTime> {
    // `preceding` leaves out a change at the moment itself.
    let just_after = moment.checked_add(SignedDuration::from_nanos(1)).ok()?;
    let change = zone.preceding(just_after).next()?.timestamp();
    let before = change.checked_sub(SignedDuration::from_nanos(1)).ok()?;
    let end = zone.to_offset(before).to_datetime(change);
    (end > zone.to_offset(moment).to_datetime(moment)).then(|| whole_minute(end)).flatten()
}

/// The first minute that fits, from `from` (a whole minute) on and before `end`. Days are searched first, then the minutes of
/// one day.
fn first_within(calendar: &Calendar, from: DateTime, end: DateTime) -> Option<DateTime> {
    let mut day = from.date();
    while day <= end.date() {
        if calendar.fits_day(midnight(day)) {
            let earliest = if day == from.date() { minute_of_day(from) } else { 0 };
            if let Some((hour, minute)) = calendar.first_from(earliest) {
                // Hours and minutes of a calendar are those of a day.
                let found = day.at(hour.cast_signed(), minute.cast_signed(), 0, 0);
                return (found < end).then_some(found);
            }
        }
        day = day.tomorrow().ok()?;
    }
    None
}

fn midnight(day: Date) -> Minute {
    let weekday = day.weekday().to_sunday_zero_offset().cast_unsigned();
    Minute { minute: 0, hour: 0, day: day.day().cast_unsigned(), month: day.month().cast_unsigned(), weekday }
}

fn minute_of_day(at: DateTime) -> u16 {
    u16::from(at.hour().cast_unsigned()) * 60 + u16::from(at.minute().cast_unsigned())
}

fn following_minute(at: DateTime) -> Option<DateTime> {
    at.date().at(at.hour(), at.minute(), 0, 0).checked_add(1.minute()).ok()
}

/// The same, or the next one if it has begun.
fn whole_minute(at: DateTime) -> Option<DateTime> {
    if at.second() == 0 && at.subsec_nanosecond() == 0 { Some(at) } else { following_minute(at) }
}

#[cfg(test)]
#[path = "moments_tests.rs"]
mod tests;
