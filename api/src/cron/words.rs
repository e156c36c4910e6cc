//! A time in words, for people who don't read cron: `0 0/3 * * ?` is "every 3 hours, at minute 0".

use std::time::Duration;

use super::{Calendar, Cron, HOUR, MINUTE, WEEKDAY};

/// Times of a day are told one by one up to this many.
const TIMES_TOLD: usize = 6;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Cron {
    /// As a sentence goes on after "it runs".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Every(period) => format!("every {}", length(*period)),
            Self::At(calendar) => calendar.words(),
        }
    }
}

/// `1 hour 30 minutes`; one of a unit alone is said without its number.
fn length(period: Duration) -> String {
    let seconds = period.as_secs();
    let parts: Vec<(u64, &str)> = [(seconds / 3600, "hour"), (seconds / 60 % 60, "minute"), (seconds % 60, "second")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .collect();
    if let [(1, unit)] = parts[..] {
        return unit.to_owned();
    }
    let part = |(count, unit): &(u64, &str)| format!("{count} {unit}{}", if *count == 1 { "" } else { "s" });
    parts.iter().map(part).collect::<Vec<_>>().join(" ")
}

/// The numbers of a set.
fn numbers(bits: u64) -> Vec<u8> {
    (0..64).filter(|number| bits >> number & 1 == 1).collect()
}

/// All from `first` to `last` as bits.
fn all(first: u64, last: u64) -> u64 {
    (first..=last).fold(0, |bits, number| bits | 1 << number)
}

/// The step of a set that begins at 0 and goes round evenly: 3 for the hours 0, 3, … 21.
fn step(numbers: &[u8], round: u8) -> Option<u8> {
    let (0, step) = (*numbers.first()?, *numbers.get(1)?) else { return None };
    let is_even =
        round.is_multiple_of(step) && numbers.iter().zip((0..round).step_by(step.into())).all(|(a, b)| *a == b);
    (is_even && numbers.len() == usize::from(round / step)).then_some(step)
}

/// `1, 2 and 5`.
fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Numbers or names; three and more in a row as a range.
fn ranges(numbers: &[u8], name: impl Fn(u8) -> String) -> Vec<String> {
    let mut told = Vec::new();
    let mut rest = numbers;
    while let Some((&first, _)) = rest.split_first() {
        let length = rest.iter().zip(first..).take_while(|(number, expected)| *number == expected).count();
        if length >= 3 {
            told.push(format!("{} to {}", name(first), name(rest[length - 1])));
        } else {
            told.extend(rest[..length].iter().map(|number| name(*number)));
        }
        rest = &rest[length..];
    }
    told
}

impl Calendar {
    fn words(&self) -> String {
        let (time, days, months) = (self.time_words(), self.day_words(), self.month_words());
        let day = match days {
            Some(days) => format!(" {days}"),
            None if time.starts_with("at ") => return format!("every day {time}{months}"),
            None => String::new(),
        };
        format!("{time}{day}{months}")
    }

    fn time_words(&self) -> String {
        let (minutes, hours) = (numbers(self.minutes), numbers(self.hours));
        let every_hour = hours.len() == 24;
        let within = || format!(", in the hours {}", list(&ranges(&hours, |hour| hour.to_string())));
        let minute_step = if minutes.len() as u64 == MINUTE.last + 1 { Some(1) } else { step(&minutes, 60) };
        match (minute_step, minutes.as_slice()) {
            (Some(1), _) if every_hour => "every minute".to_owned(),
            (Some(1), _) => format!("every minute{}", within()),
            (Some(step), _) if every_hour => format!("every {step} minutes"),
            _ if minutes.len() * hours.len() <= TIMES_TOLD => {
                let times = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (hour, minute)));
                let times: Vec<String> = times.map(|(hour, minute)| format!("{hour:02}:{minute:02}")).collect();
                format!("at {}", list(&times))
            }
            (Some(step), _) => format!("every {step} minutes{}", within()),
            (None, [minute]) if every_hour => format!("every hour, at minute {minute}"),
            (None, [minute]) => match step(&hours, 24) {
                Some(step) => format!("every {step} hours, at minute {minute}"),
                None => format!("at minute {minute}{}", within()),
            },
            _ => {
                let minutes = list(&ranges(&minutes, |minute| minute.to_string()));
                if every_hour {
                    format!("every hour, at minutes {minutes}")
                } else {
                    format!("at minutes {minutes}{}", within())
                }
            }
        }
    }

    /// None when every day will do.
    fn day_words(&self) -> Option<String> {
        let of_month = (self.days != all(1, 31)).then(|| {
            let days = numbers(self.days);
            let plural = if days.len() == 1 { "" } else { "s" };
            format!("on day{plural} {} of the month", list(&ranges(&days, |day| day.to_string())))
        });
        let weekdays = numbers(self.weekdays);
        let of_week = (self.weekdays != all(0, WEEKDAY.last - 1)).then(|| match weekdays.as_slice() {
            [1, 2, 3, 4, 5] => "Monday to Friday".to_owned(),
            _ => {
                let name = |day: &u8| format!("{}s", WEEKDAYS[usize::from(*day)]);
                format!("on {}", list(&weekdays.iter().map(name).collect::<Vec<_>>()))
            }
        });
        match (of_month, of_week) {
            (Some(days), Some(weekdays)) if self.either_day => Some(format!("{days} and {weekdays}")),
            (Some(days), Some(weekdays)) => Some(format!("{days}, but only {weekdays}")),
            (days, weekdays) => days.or(weekdays),
        }
    }

    fn month_words(&self) -> String {
        if self.months == all(1, 12) {
            return String::new();
        }
        let name = |month: u8| MONTHS[usize::from(month) - 1].to_owned();
        format!(" in {}", list(&ranges(&numbers(self.months), name)))
    }

    /// Whether it comes in every hour: such a time is a rhythm, and no time of the day.
    #[must_use]
    pub fn is_every_hour(&self) -> bool {
        self.hours == all(HOUR.first, HOUR.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read() {
        for (cron, words) in [
            ("* * * * *", "every minute"),
            ("*/1 * * * *", "every minute"),
            ("*/15 * * * *", "every 15 minutes"),
            ("*/10 8-17 * * mon-fri", "every 10 minutes, in the hours 8 to 17 Monday to Friday"),
            ("0 0/3 * * ?", "every 3 hours, at minute 0"),
            ("0 2 * * ?", "every day at 02:00"),
            ("0 6 ? * SAT", "at 06:00 on Saturdays"),
            ("0 3 ? * SAT", "at 03:00 on Saturdays"),
            ("30 * * * *", "every hour, at minute 30"),
            ("5,50 8-10 * * *", "every day at 08:05, 08:50, 09:05, 09:50, 10:05 and 10:50"),
            ("0 0 */7 * *", "at 00:00 on days 1, 8, 15, 22 and 29 of the month"),
            ("0 0 7 * sun", "at 00:00 on day 7 of the month and on Sundays"),
            ("0 12 1 1,7 *", "at 12:00 on day 1 of the month in January and July"),
            ("0 12 * jan-mar *", "every day at 12:00 in January to March"),
            ("0 0 */9 * mon", "at 00:00 on days 1, 10, 19 and 28 of the month, but only on Mondays"),
            ("7 1-20 * * *", "every day at minute 7, in the hours 1 to 20"),
            ("@daily", "every day at 00:00"),
            ("@weekly", "at 00:00 on Sundays"),
            ("@hourly", "every hour, at minute 0"),
            ("@every 1h30m", "every 1 hour 30 minutes"),
            ("@every 6h", "every 6 hours"),
            ("@every 60s", "every minute"),
            ("@every 1h", "every hour"),
        ] {
            assert_eq!(cron.parse::<Cron>().unwrap().words(), words, "{cron}");
        }
    }
}
