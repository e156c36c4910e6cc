//! When a job is to run, from what is stored of it.
//!
//! Invariants, for any sequence of restarts:
//! - a moment of the cron gets at most one run: the store knows the moment before the run begins;
//! - however many moments passed unseen, there is one run for the newest of them;
//! - a run that is stored is gone on with, and none begins beside it.

use jiff::{SignedDuration, Timestamp};

use super::plan::{Plan, PlanError};
use crate::resources::recurring_job::{Followed, RecurringJobStatus};
use crate::resources::{Object, RecurringJob};

/// A job that is seen for the first time, so long after it was made, had nobody to run it: its old times are over.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// A last run so far ahead was noted by a clock that was wrong.
const CLOCK_WAS_WRONG: SignedDuration = SignedDuration::from_hours(1);

/// What there is to do with a job that does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Its cron is new here: note it.
    Follow(Followed),
    Run {
        at: Timestamp,
        /// Moments before it that had no run.
        missed: usize,
    },
    Wait(Timestamp),
    /// Nothing comes any more within the years that are searched.
    Never,
}

pub fn decide(job: &Object<RecurringJob>, now: Timestamp) -> Result<Due, PlanError> {
    let plan = Plan::read(&job.spec.cron)?;
    let Some(since) = followed_since(&job.status, &job.spec.cron) else {
        return Ok(Due::Follow(Followed { cron: job.spec.cron.clone(), since: begin(job, now).to_string() }));
    };
    let moments = plan.moments(since);
    let base = last_due(&job.status, now).map_or(since, |last| last.max(since));
    Ok(match moments.latest(base, now) {
        Some(at) => Due::Run { at, missed: moments.count(base, now).saturating_sub(1) },
        None => moments.next(base.max(now)).map_or(Due::Never, Due::Wait),
    })
}

/// Since when this cron is followed.
#[must_use]
pub fn followed_since(status: &RecurringJobStatus, cron: &str) -> Option<Timestamp> {
    status.followed.as_ref().filter(|followed| followed.cron == cron)?.since.parse().ok()
}

fn begin(job: &Object<RecurringJob>, now: Timestamp) -> Timestamp {
    let made = job.metadata.creation_timestamp.parse::<Timestamp>().ok();
    // What was due in the moment between its making and this look is not lost.
    let fresh = made.filter(|made| *made <= now && now.duration_since(*made) < FRESH);
    fresh.filter(|_| job.status.followed.is_none()).unwrap_or(now)
}

fn last_due(status: &RecurringJobStatus, now: Timestamp) -> Option<Timestamp> {
    let last: Timestamp = status.last_due.parse().ok()?;
    Some(if last.duration_since(now) > CLOCK_WAS_WRONG { now } else { last })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::recurring_job::RecurringJobSpec;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn job(cron: &str, since: &str, last_due: &str) -> Object<RecurringJob> {
        let spec = RecurringJobSpec { name: "j".into(), cron: cron.into(), ..RecurringJobSpec::default() };
        let mut job = Object::<RecurringJob>::new("j", spec);
        job.metadata.creation_timestamp = "2026-11-01T00:00:00Z".into();
        job.status.last_due = last_due.into();
        if !since.is_empty() {
            job.status.followed = Some(Followed { cron: cron.into(), since: since.into() });
        }
        job
    }

    #[test]
    fn missed_moments_are_caught_up_once() {
        let (daily, day) = ("0 2 * * *", "2026-11-10T00:00:00Z");
        for (cron, since, last_due, now, expected) in [
            (daily, day, "", "2026-11-10T01:59:59Z", Due::Wait(at("2026-11-10T02:00:00Z"))),
            (daily, day, "", "2026-11-10T02:00:00Z", Due::Run { at: at("2026-11-10T02:00:00Z"), missed: 0 }),
            (daily, day, "2026-11-10T02:00:00Z", "2026-11-10T02:00:00Z", Due::Wait(at("2026-11-11T02:00:00Z"))),
            // Three days without a manager.
            (
                daily,
                day,
                "2026-11-10T02:00:00Z",
                "2026-11-13T07:00:00Z",
                Due::Run { at: at("2026-11-13T02:00:00Z"), missed: 2 },
            ),
            (daily, day, "2026-11-13T02:00:00Z", "2026-11-13T07:00:00Z", Due::Wait(at("2026-11-14T02:00:00Z"))),
            ("* * * * *", day, day, "2026-11-12T00:00:30Z", Due::Run { at: at("2026-11-12T00:00:00Z"), missed: 100 }),
            ("@every 1h", day, "", "2026-11-10T00:59:59Z", Due::Wait(at("2026-11-10T01:00:00Z"))),
            (
                "@every 1h",
                day,
                "2026-11-10T01:00:00Z",
                "2026-11-10T05:30:00Z",
                Due::Run { at: at("2026-11-10T05:00:00Z"), missed: 3 },
            ),
            // The clock went back by a moment, and by years.
            (daily, day, "2026-11-10T02:00:00Z", "2026-11-10T01:59:58Z", Due::Wait(at("2026-11-11T02:00:00Z"))),
            (daily, day, "2031-01-01T02:00:00Z", "2026-11-10T04:00:00Z", Due::Wait(at("2026-11-11T02:00:00Z"))),
        ] {
            assert_eq!(decide(&job(cron, since, last_due), at(now)).unwrap(), expected, "{cron} {last_due} {now}");
        }
    }

    proptest! {
        /// Looks at random moments, as managers that come and go: no moment is run twice, and none but the newest.
        #[test]
        fn whenever_it_is_looked_at(pauses in proptest::collection::vec(1_i64..400_000, 1..40), which in 0_usize..5) {
            let cron =
                ["*/7 * * * *", "0 0/3 * * ?", "CRON_TZ=Europe/Berlin 30 2 * * *", "@every 90m", "0 6 ? * SAT"][which];
            let mut now = at("2026-10-20T00:00:00Z");
            let mut job = job(cron, "2026-10-20T00:00:00Z", "");
            let moments = Plan::read(cron).unwrap().moments(now);
            let mut last = now;
            for pause in pauses {
                now += SignedDuration::from_secs(pause);
                let missed = moments.count(last, now);
                match decide(&job, now).unwrap() {
                    Due::Run { at, missed: told } => {
                        prop_assert!(at > last && at <= now, "{cron}: {at} after {last} at {now}");
                        prop_assert!(moments.next(at).is_none_or(|next| next > now), "{cron}: {at} is not the newest");
                        prop_assert_eq!(told + 1, missed);
                        (last, job.status.last_due) = (at, at.to_string());
                    }
                    Due::Wait(next) => prop_assert!(next > now && missed == 0, "{cron}: waits for {next} at {now}"),
                    other => prop_assert!(false, "{cron}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_new_cron_means_the_times_to_come() {
        let follow = |job: &Object<RecurringJob>, now: &str| match decide(job, at(now)).unwrap() {
            Due::Follow(followed) => followed.since,
            other => panic!("{other:?}"),
        };
        let mut job = job("0 2 * * *", "", "");
        assert_eq!(follow(&job, "2026-11-01T00:00:01Z"), "2026-11-01T00:00:00Z", "made a moment ago");
        assert_eq!(follow(&job, "2026-11-21T00:00:00Z"), "2026-11-21T00:00:00Z", "nobody ran it until now");
        // Changed at ten: nine o'clock is over.
        job.status.followed = Some(Followed { cron: "0 3 * * *".into(), since: "2026-11-01T00:00:00Z".into() });
        job.spec.cron = "0 9 * * *".into();
        assert_eq!(follow(&job, "2026-11-01T00:05:00Z"), "2026-11-01T00:05:00Z");
        assert!(decide(&self::job("0 2 * *", "", ""), at("2026-11-21T00:00:00Z")).is_err());
    }
}
