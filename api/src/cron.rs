//! Times at which something is done, as cron writes them: five fields, or a word for what is common.
//!
//! | form | meaning |
//! |---|---|
//! | `minute hour day-of-month month day-of-week` | each a `*`, a number, `a-b`, with `/step` behind, or several with commas between them |
//! | month, day of week | also by their first three letters: `JAN`, `sat`; Sunday is 0 (and 7) |
//! | `?` | the same as `*` |
//! | `@hourly` `@daily` `@midnight` `@weekly` `@monthly` `@yearly` `@annually` | at the beginning of each |
//! | `@every 1h30m` | again and again, with this time between (units h, m, s), at least a minute |
//!
//! Days: when both kinds of days are restricted, one of them is enough, as in every cron. [`Schedule`] is this with the clock
//! that it is meant on.

mod schedule;
mod words;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use schedule::{Schedule, ZONE_DEFAULT};

/// When something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cron {
    /// In every minute that fits.
    At(Calendar),
    /// With this time between; a minute at least.
    Every(Duration),
}

/// The minutes that fit: for each field the numbers that do, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Day of month and day of week are both restricted.
    either_day: bool,
}

/// A minute on somebody's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    pub minute: u8,
    pub hour: u8,
    /// From 1.
    pub day: u8,
    /// From 1.
    pub month: u8,
    /// Sunday is 0.
    pub weekday: u8,
}

/// Why a text says no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronError(String);

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CronError {}

/// A set of numbers below 64, as bits.
const fn has(bits: u64, number: u8) -> bool {
    number < 64 && bits & (1 << number) != 0
}

impl Calendar {
    /// Whether it is time.
    #[must_use]
    pub fn fits(&self, at: Minute) -> bool {
        has(self.minutes, at.minute) && has(self.hours, at.hour) && self.fits_day(at)
    }

    /// Whether it is time on this day, at whatever hour and minute.
    #[must_use]
    pub fn fits_day(&self, at: Minute) -> bool {
        let (day, weekday) = (has(self.days, at.day), has(self.weekdays, at.weekday));
        let is_day = if self.either_day { day || weekday } else { day && weekday };
        has(self.months, at.month) && is_day
    }

    /// The first hour and minute of a day that fit, from this minute of the day (0 to 1439) on.
    #[must_use]
    pub fn first_from(&self, minute_of_day: u16) -> Option<(u8, u8)> {
        times_of_day(minute_of_day..MINUTES_OF_DAY).find(|&(hour, minute)| self.fits_time(hour, minute))
    }

    fn fits_time(&self, hour: u8, minute: u8) -> bool {
        has(self.hours, hour) && has(self.minutes, minute)
    }

    /// Whether there is a day at all: 30 February is none, and any day of the week comes in every month.
    fn comes(&self) -> bool {
        const LENGTHS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let of_month =
            |(month, length): (u8, u8)| has(self.months, month) && (1..=length).any(|day| has(self.days, day));
        self.either_day || (1..).zip(LENGTHS).any(of_month)
    }
}

const MINUTES_OF_DAY: u16 = 24 * 60;

fn times_of_day(minutes: impl Iterator<Item = u16>) -> impl Iterator<Item = (u8, u8)> {
    // Both are below 60.
    minutes.map(|minute| ((minute / 60) as u8, (minute % 60) as u8))
}

// === reading ===

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// One of the five fields.
struct Field {
    name: &'static str,
    first: u64,
    last: u64,
    /// Names of the numbers, from `first` on.
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", first: 0, last: 59, names: &[] };
const HOUR: Field = Field { name: "hour", first: 0, last: 23, names: &[] };
const DAY: Field = Field { name: "day of month", first: 1, last: 31, names: &[] };
const MONTH: Field = Field { name: "month", first: 1, last: 12, names: &MONTHS };
// 7 is Sunday too; it is folded into 0.
const WEEKDAY: Field = Field { name: "day of week", first: 0, last: 7, names: &WEEKDAYS };

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        if let Some(word) = text.strip_prefix('@') {
            return described(word);
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(CronError(format!(
                "{text:?} has {} fields; give five: minute, hour, day of month, month, day of week",
                fields.len()
            )));
        };
        let weekdays = WEEKDAY.read(weekday)?;
        let calendar = Calendar {
            minutes: MINUTE.read(minute)?,
            hours: HOUR.read(hour)?,
            days: DAY.read(day)?,
            months: MONTH.read(month)?,
            weekdays: weekdays & 0x7f | weekdays >> 7 & 1,
            either_day: !is_any(day) && !is_any(weekday),
        };
        if calendar.comes() {
            return Ok(Self::At(calendar));
        }
        Err(CronError(format!("{text:?} never comes: none of its months has such a day")))
    }
}

/// What follows the `@`.
fn described(word: &str) -> Result<Cron, CronError> {
    let fields = match word {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        _ => {
            let every = word.strip_prefix("every ").and_then(|time| duration(time.trim()));
            return every.map(Cron::Every).ok_or_else(|| {
                CronError(format!(
                    "\"@{word}\" is no time; give @hourly, @daily, @weekly, @monthly, @yearly, or @every 6h (at least 1m)"
                ))
            });
        }
    };
    fields.parse()
}

/// The shortest time between: what is done for every volume takes its time.
const EVERY_SECONDS_MINIMUM: u64 = 60;

/// `1h30m`, at least a minute.
fn duration(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let seconds = match rest.as_bytes()[digits] {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(seconds)?)?;
        rest = &rest[digits + 1..];
    }
    // Longer than any reader's clock can add is a mistake.
    (EVERY_SECONDS_MINIMUM..=u64::from(u32::MAX)).contains(&total).then(|| Duration::from_secs(total))
}

/// Without any restriction: then the other kind of day alone decides.
fn is_any(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

impl Field {
    /// The numbers that fit, as bits.
    fn read(&self, text: &str) -> Result<u64, CronError> {
        text.split(',').try_fold(0, |bits, part| Ok(bits | self.read_part(part)?))
    }

    fn read_part(&self, part: &str) -> Result<u64, CronError> {
        let wrong = || CronError(format!("{part:?} is no {} (from {} to {})", self.name, self.first, self.last));
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u64>().ok().filter(|step| *step > 0).ok_or_else(wrong)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (self.first, self.last),
            Some((first, last)) => (self.number(first).ok_or_else(wrong)?, self.number(last).ok_or_else(wrong)?),
            None => {
                let first = self.number(range).ok_or_else(wrong)?;
                // `5/15` begins at 5 and goes on to the end.
                (first, if step.is_some() { self.last } else { first })
            }
        };
        if first > last {
            return Err(wrong());
        }
        let step = usize::try_from(step.unwrap_or(1)).map_err(|_| wrong())?;
        Ok((first..=last).step_by(step).fold(0, |bits, number| bits | 1 << number))
    }

    fn number(&self, text: &str) -> Option<u64> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = match named {
            Some(place) => self.first + u64::try_from(place).ok()?,
            None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok()?,
            None => return None,
        };
        (self.first..=self.last).contains(&number).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 is a Saturday.
    fn saturday(hour: u8, minute: u8) -> Minute {
        Minute { minute, hour, day: 21, month: 11, weekday: 6 }
    }

    #[test]
    fn times_fit() {
        let sunday = Minute { day: 22, weekday: 0, ..saturday(0, 0) };
        let seventh = Minute { day: 7, weekday: 6, ..saturday(0, 0) };
        for (text, at, fits) in [
            ("* * * * *", saturday(3, 4), true),
            ("0 0/3 * * ?", saturday(6, 0), true),
            ("0 0/3 * * ?", saturday(7, 0), false),
            ("0 2 * * ?", saturday(2, 0), true),
            ("0 6 ? * SAT", saturday(6, 0), true),
            ("0 6 ? * SAT", sunday, false),
            ("0 0 */7 * *", seventh, false),
            ("0 0 */7 * *", Minute { day: 8, ..seventh }, true),
            ("0 0 * * 7", sunday, true),
            ("0 0 * * 0", sunday, true),
            ("0 0 * * mon-fri", sunday, false),
            ("5,10-12/2 * * NOV *", saturday(9, 12), true),
            ("5,10-12/2 * * NOV *", saturday(9, 11), false),
            // Either kind of day is enough when both are restricted.
            ("0 0 7 * sun", seventh, true),
            ("0 0 7 * sun", sunday, true),
            ("0 0 7 * sun", saturday(0, 0), false),
            ("@daily", saturday(0, 0), true),
            ("@daily", saturday(1, 0), false),
            ("@hourly", saturday(1, 0), true),
            ("@weekly", sunday, true),
        ] {
            let Cron::At(calendar) = text.parse().unwrap() else { panic!("{text}") };
            assert_eq!(calendar.fits(at), fits, "{text} {at:?}");
        }
        assert_eq!("@every 1h30m".parse(), Ok(Cron::Every(Duration::from_secs(5400))));
    }

    #[test]
    fn the_times_of_a_day() {
        let Ok(Cron::At(calendar)) = "5,50 8-10 * * *".parse() else { panic!("it is a time") };
        assert_eq!(calendar.first_from(0), Some((8, 5)));
        assert_eq!(calendar.first_from(8 * 60 + 6), Some((8, 50)));
        assert_eq!(calendar.first_from(10 * 60 + 51), None);
        // Any day of the week will do, and the 29th comes in leap years.
        for text in ["0 0 30 2 mon", "0 0 29 2 *", "@every 1m"] {
            assert!(text.parse::<Cron>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "x",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "1- * * * *",
            ", * * * *",
            "+1 * * * *",
            "@often",
            "@every",
            "@every 5",
            "@every 0s",
            "@every 59s",
            "0 0 30 2 *",
            "0 0 31 2,4,6,9,11 *",
            "@every 99999999999999999999h",
            "* * * * mond",
        ] {
            let error = text.parse::<Cron>().unwrap_err();
            assert!(!error.to_string().is_empty(), "{text}");
        }
    }
}
