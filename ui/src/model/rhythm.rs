//! The crons that people mean most often, as what they say: every so many minutes, hourly, daily, weekly, monthly.
//!
//! The text of the cron is the only truth. A rhythm is read out of it where there is one, and writes it again; everything
//! else is a cron by hand. The manager says what a cron means; nothing here decides that.

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Every {
    Minutes,
    Hour,
    Hours,
    Day,
    Week,
    Month,
}

/// One of these crons. Fields that its kind has no use for keep what they had, so that a change of kind loses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rhythm {
    pub(crate) every: Every,
    /// Minutes or hours between two runs of [`Every::Minutes`] and [`Every::Hours`].
    pub(crate) step: u32,
    pub(crate) minute: u32,
    pub(crate) hour: u32,
    /// Days of the week of [`Every::Week`]: bit 0 is Sunday, as cron counts them. Never empty.
    pub(crate) days: u8,
    /// Day of [`Every::Month`].
    pub(crate) day: u32,
}

pub(crate) const MINUTE_STEPS: [u32; 6] = [5, 10, 15, 20, 30, 1];
pub(crate) const HOUR_STEPS: [u32; 6] = [2, 3, 4, 6, 8, 12];

impl Default for Rhythm {
    /// In the night, when nobody works.
    fn default() -> Self {
        Self { every: Every::Day, step: 15, minute: 0, hour: 2, days: 1, day: 1 }
    }
}

impl Every {
    pub(crate) const ALL: [Self; 6] = [Self::Minutes, Self::Hour, Self::Hours, Self::Day, Self::Week, Self::Month];

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Hour => "hour",
            Self::Hours => "hours",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    pub(crate) fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|every| every.key() == key)
    }
}

impl Rhythm {
    /// The rhythm of a cron without its zone; `None` for one by hand.
    pub(crate) fn read(times: &str) -> Option<Self> {
        let standard = Self::default();
        let at_midnight = Self { hour: 0, ..standard };
        match times.trim() {
            "@hourly" => return Some(Self { every: Every::Hour, ..standard }),
            "@daily" | "@midnight" => return Some(at_midnight),
            "@weekly" => return Some(Self { every: Every::Week, ..at_midnight }),
            "@monthly" => return Some(Self { every: Every::Month, ..at_midnight }),
            _ => {}
        }
        let fields: Vec<&str> = times.split_whitespace().collect();
        let [minute, hour, day, "*", weekdays] = fields.as_slice() else { return None };
        if let ("*", "*", "*") = (*hour, *day, *weekdays) {
            let step =
                if *minute == "*" { Some(1) } else { minute.strip_prefix("*/").and_then(|step| below(step, 60)) };
            if let Some(step) = step {
                return MINUTE_STEPS.contains(&step).then_some(Self { every: Every::Minutes, step, ..standard });
            }
        }
        let at = Self { minute: below(minute, 60)?, ..standard };
        match (*hour, *day, *weekdays) {
            ("*", "*", "*") => Some(Self { every: Every::Hour, ..at }),
            (hours, "*", "*") if hours.starts_with("*/") => {
                let step = below(&hours[2..], 24).filter(|step| HOUR_STEPS.contains(step))?;
                Some(Self { every: Every::Hours, step, ..at })
            }
            (hour, "*", "*") => Some(Self { every: Every::Day, hour: below(hour, 24)?, ..at }),
            (hour, "*", days) => {
                Some(Self { every: Every::Week, hour: below(hour, 24)?, days: weekdays_of(days)?, ..at })
            }
            (hour, day, "*") => {
                let day = below(day, 32).filter(|day| *day > 0)?;
                Some(Self { every: Every::Month, hour: below(hour, 24)?, day, ..at })
            }
            _ => None,
        }
    }

    pub(crate) fn write(self) -> String {
        let Self { every, step, minute, hour, days, day } = self;
        match every {
            Every::Minutes if step == 1 => "* * * * *".to_owned(),
            Every::Minutes => format!("*/{step} * * * *"),
            Every::Hour => format!("{minute} * * * *"),
            Every::Hours => format!("{minute} */{step} * * *"),
            Every::Day => format!("{minute} {hour} * * *"),
            Every::Week => {
                let days: Vec<String> = (0..7).filter(|day| days >> day & 1 == 1).map(|day| day.to_string()).collect();
                format!("{minute} {hour} * * {}", days.join(","))
            }
            Every::Month => format!("{minute} {hour} {day} * *"),
        }
    }

    /// The same times as another kind; a step that the kind does not have becomes one that it has.
    pub(crate) fn with(self, every: Every) -> Self {
        let fit = |steps: [u32; 6]| if steps.contains(&self.step) { self.step } else { steps[2] };
        let step = match every {
            Every::Minutes => fit(MINUTE_STEPS),
            Every::Hours => fit(HOUR_STEPS),
            _ => self.step,
        };
        Self { every, step, ..self }
    }

    /// With a day of the week taken in or out. The last one stays: a rhythm without days would be no time at all.
    pub(crate) fn toggled(self, day: u32) -> Self {
        let days = self.days ^ (1 << day);
        Self { days: if days == 0 { self.days } else { days }, ..self }
    }

    /// As a field for a time of day has it: `02:30`.
    pub(crate) fn clock(self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }

    /// With the time of day from such a field; `None` while it is incomplete.
    pub(crate) fn at_clock(self, text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (hour, minute) = (below(parts.next()?, 24)?, below(parts.next()?, 60)?);
        Some(Self { hour, minute, ..self })
    }
}

/// The zone that a cron names, empty for none, and the cron without it.
pub(crate) fn split_zone(cron: &str) -> (&str, &str) {
    let cron = cron.trim();
    let named = cron.strip_prefix("CRON_TZ=").or_else(|| cron.strip_prefix("TZ="));
    named.map_or(("", cron), |rest| {
        rest.split_once(char::is_whitespace).map_or((rest, ""), |(zone, times)| (zone, times.trim()))
    })
}

pub(crate) fn with_zone(zone: &str, times: &str) -> String {
    match zone.trim() {
        "" => times.to_owned(),
        zone => format!("CRON_TZ={zone} {times}"),
    }
}

fn below(text: &str, limit: u32) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| plain && *number < limit)
}

/// Lists and ranges of days of the week by number or English name.
fn weekdays_of(text: &str) -> Option<u8> {
    const NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let day = |text: &str| {
        let named =
            NAMES.iter().position(|name| text.eq_ignore_ascii_case(name)).and_then(|day| u32::try_from(day).ok());
        // 7 is another word for Sunday, which a range can end with.
        named.or_else(|| below(text, 8))
    };
    let mut days = 0_u8;
    for part in text.split(',') {
        let (first, last) =
            part.split_once('-').map_or_else(|| (day(part), day(part)), |(first, last)| (day(first), day(last)));
        let (first, last) = (first?, last?);
        if first > last {
            return None;
        }
        (first..=last).for_each(|day| days |= 1 << (day % 7));
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for cron in [
            "* * * * *",
            "*/15 * * * *",
            "30 * * * *",
            "0 */6 * * *",
            "30 2 * * *",
            "0 2 * * 0",
            "0 2 * * 1,2,3,4,5",
            "15 23 28 * *",
        ] {
            assert_eq!(Rhythm::read(cron).map(Rhythm::write).as_deref(), Some(cron));
        }
        assert_eq!(Rhythm::read("0 2 * * mon-fri").unwrap().write(), "0 2 * * 1,2,3,4,5");
        assert_eq!(Rhythm::read("0 2 * * 6-7").unwrap().write(), "0 2 * * 0,6");
        assert_eq!(Rhythm::read("@weekly").unwrap().write(), "0 0 * * 0");
        assert_eq!(Rhythm::read(" @daily ").unwrap().write(), "0 0 * * *");
    }

    #[test]
    fn everything_else_is_by_hand() {
        for cron in [
            "",
            "@every 6h",
            "@yearly",
            "*/7 * * * *",
            "0 */5 * * *",
            "0 2 1 1 *",
            "0 2 1 * 1",
            "0 24 * * *",
            "60 * * * *",
            "0 2 0 * *",
            "0 2 * * 5-1",
            "0 2 * * x",
            "+1 2 * * *",
            "0 2 * * * *",
            "*/0 * * * *",
            "1,2 * * * *",
        ] {
            assert_eq!(Rhythm::read(cron), None, "{cron}");
        }
    }

    #[test]
    fn zones() {
        assert_eq!(split_zone("CRON_TZ=Europe/Berlin 0 2 * * *"), ("Europe/Berlin", "0 2 * * *"));
        assert_eq!(split_zone(" TZ=UTC   @daily"), ("UTC", "@daily"));
        assert_eq!(split_zone("0 2 * * *"), ("", "0 2 * * *"));
        assert_eq!(split_zone("CRON_TZ=UTC"), ("UTC", ""));
        assert_eq!(with_zone("Asia/Tokyo", "@daily"), "CRON_TZ=Asia/Tokyo @daily");
        assert_eq!(with_zone(" ", "@daily"), "@daily");
    }

    #[test]
    fn changes_of_kind_keep_what_they_can() {
        let weekly = Rhythm::read("45 3 * * 1").unwrap();
        assert_eq!(weekly.with(Every::Day).write(), "45 3 * * *");
        assert_eq!(weekly.with(Every::Day).with(Every::Week), weekly);
        assert_eq!(weekly.with(Every::Hours).write(), "45 */4 * * *");
        assert_eq!(weekly.toggled(1), weekly, "one day has to stay");
        assert_eq!(weekly.toggled(6).write(), "45 3 * * 1,6");
        assert_eq!(weekly.clock(), "03:45");
        assert_eq!(weekly.at_clock("23:05").unwrap().write(), "5 23 * * 1");
        assert_eq!(weekly.at_clock(""), None);
    }
}
