//! What a job's `cron` says, with the zone found.

use aurochs_api::cron::Schedule;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::moments::Moments;

/// How many moments ahead are told.
const TOLD: usize = 5;

/// Why a text is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Cron(#[from] aurochs_api::cron::CronError),
    #[error("there is no time zone {0:?} on this machine. Give one such as Europe/Berlin, or install tzdata")]
    Zone(String),
}

/// A job's times.
#[derive(Clone, Debug)]
pub struct Plan {
    pub schedule: Schedule,
    zone: TimeZone,
}

impl Plan {
    pub fn read(text: &str) -> Result<Self, PlanError> {
        let schedule: Schedule = text.parse()?;
        let zone = match schedule.zone.as_str() {
            aurochs_api::cron::ZONE_DEFAULT => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| PlanError::Zone(name.to_owned()))?,
        };
        Ok(Self { schedule, zone })
    }

    /// Its moments; `@every` counts from `anchor`.
    #[must_use]
    pub fn moments(&self, anchor: Timestamp) -> Moments {
        Moments { cron: self.schedule.cron, zone: self.zone.clone(), anchor }
    }

    /// The next few as texts: RFC 3339 on the plan's clock.
    #[must_use]
    pub fn told(&self, anchor: Timestamp, after: Timestamp) -> Vec<String> {
        self.moments(anchor).following(after).take(TOLD).map(|moment| self.text(moment)).collect()
    }

    /// A moment on the plan's clock.
    #[must_use]
    pub fn text(&self, moment: Timestamp) -> String {
        if self.zone == TimeZone::UTC {
            return moment.to_string();
        }
        moment.display_with_offset(self.zone.to_offset(moment)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_five_on_the_clock_that_is_stated() {
        let now: Timestamp = "2026-10-24T21:00:00Z".parse().unwrap();
        let told = |cron: &str| Plan::read(cron).unwrap().told(now, now);
        assert_eq!(told("0 2 * * ?")[..2], ["2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"]);
        assert_eq!(
            told("CRON_TZ=Europe/Berlin 0 2 * * ?")[..2],
            ["2026-10-25T02:00:00+02:00", "2026-10-26T02:00:00+01:00"]
        );
        assert_eq!(told("@every 2h").len(), TOLD);
        let refused = Plan::read("CRON_TZ=Europe/Nowhere 0 2 * * *").unwrap_err().to_string();
        assert!(refused.contains("Europe/Nowhere") && refused.contains("tzdata"), "{refused}");
    }
}
