//! A time as a recurring job states it: cron, and on whose clock.

use std::str::FromStr;

use super::{Cron, CronError};

/// The clock of jobs that name none. A time on it exists every day, and exactly once.
pub const ZONE_DEFAULT: &str = "UTC";
/// How a zone is stated before the fields: `CRON_TZ=Europe/Berlin 0 2 * * *`.
const PREFIXES: [&str; 2] = ["CRON_TZ=", "TZ="];
/// The longest name of a zone that there is has half as many letters.
const ZONE_LENGTH_MAXIMUM: usize = 64;

/// Nobody writes a longer one; each look at a job reads it.
const LENGTH_MAXIMUM: usize = 256;

/// What is in a job's `cron`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// A name of the IANA database. Whether there is such a zone is for those to say who have the database.
    pub zone: String,
    pub cron: Cron,
}

impl FromStr for Schedule {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        if text.len() > LENGTH_MAXIMUM {
            return Err(CronError(format!("it has {} characters; at most {LENGTH_MAXIMUM} are read", text.len())));
        }
        let Some(stated) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) else {
            return Ok(Self { zone: ZONE_DEFAULT.to_owned(), cron: text.parse()? });
        };
        let (zone, fields) = stated.split_once(char::is_whitespace).unwrap_or((stated, ""));
        let is_zone = zone.starts_with(|c: char| c.is_ascii_alphabetic())
            && zone.len() <= ZONE_LENGTH_MAXIMUM
            && zone.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+'));
        if !is_zone {
            return Err(CronError(format!(
                "{zone:?} is no name of a time zone; give one such as Europe/Berlin, or UTC"
            )));
        }
        Ok(Self { zone: zone.to_owned(), cron: fields.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_stands_before_the_fields() {
        for (text, zone, fields) in [
            ("0 2 * * *", "UTC", "0 2 * * *"),
            ("CRON_TZ=Europe/Berlin 0 2 * * ?", "Europe/Berlin", "0 2 * * ?"),
            (" TZ=Etc/GMT+3   @daily ", "Etc/GMT+3", "@daily"),
        ] {
            let wanted = Schedule { zone: zone.to_owned(), cron: fields.parse().unwrap() };
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
        for text in ["CRON_TZ= 0 2 * * *", "CRON_TZ=Europe/Berlin", "TZ=../etc/passwd 0 2 * * *", "ZONE=UTC 0 2 * * *"]
        {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
        assert!(format!("TZ={} @daily", "a".repeat(65)).parse::<Schedule>().is_err());
        assert!(format!("0{} * * * *", ",0".repeat(200)).parse::<Schedule>().is_err());
    }
}
