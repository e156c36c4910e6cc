//! When a target is to be read.

use std::time::{Duration, Instant};

use crate::controllers::runtime::pause_after;
use crate::resources::{BackupTarget, Object, timestamp};
use crate::routes::backup_target::poll_interval;

/// First pause after a reading that failed, doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(5);

/// What is wished of a reading: another wish is not made to wait for the last one's pause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    url: String,
    secret: String,
    request: String,
}

impl Wish {
    pub(super) fn of(target: &Object<BackupTarget>) -> Self {
        let spec = &target.spec;
        Self {
            url: spec.backup_target_url.clone(),
            secret: spec.credential_secret.clone(),
            request: spec.sync_requested_at.clone(),
        }
    }
}

/// The last reading.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) at: Instant,
    /// In a row.
    pub(super) failures: u32,
    pub(super) of: Wish,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    In(Duration),
    /// Not until somebody asks.
    Never,
}

/// `attempt`: the last one in this manager's life.
pub(super) fn decide(target: &Object<BackupTarget>, attempt: Option<&Attempt>) -> Due {
    let (spec, status) = (&target.spec, &target.status);
    let period = poll_interval::parse(&spec.poll_interval).unwrap_or_default();
    let period = (period > 0).then(|| Duration::from_secs(period.into()));
    let is_asked_for = status.synced_url != spec.backup_target_url || status.answered_request != spec.sync_requested_at;
    match attempt {
        Some(attempt) if attempt.of != Wish::of(target) => Due::Now,
        Some(attempt) if attempt.failures > 0 => {
            let Some(period) = period else { return Due::Never };
            let pause = PAUSE_FIRST.saturating_mul(1 << (attempt.failures - 1).min(16)).min(period);
            remaining(pause, attempt.at.elapsed())
        }
        Some(attempt) => period.map_or(Due::Never, |period| remaining(period, attempt.at.elapsed())),
        None if is_asked_for => Due::Now,
        None => match (period, timestamp::age(&status.last_synced_at)) {
            (None, _) => Due::Never,
            (Some(period), Some(age)) if status.available => remaining(period, age),
            (Some(_), _) => Due::Now,
        },
    }
}

fn remaining(pause: Duration, passed: Duration) -> Due {
    match pause.checked_sub(passed) {
        Some(left) if !left.is_zero() => Due::In(left.max(pause_after(0))),
        _ => Due::Now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::backup_target::BackupTargetSpec;

    fn target(period: &str, change: impl FnOnce(&mut Object<BackupTarget>)) -> Object<BackupTarget> {
        let spec = BackupTargetSpec {
            backup_target_url: "vfs:///a".into(),
            poll_interval: period.into(),
            ..BackupTargetSpec::default()
        };
        let mut target = Object::<BackupTarget>::new("default", spec);
        target.status.synced_url = "vfs:///a".into();
        target.status.available = true;
        target.status.last_synced_at = timestamp::now();
        change(&mut target);
        target
    }

    fn attempt(of: &Object<BackupTarget>, failures: u32) -> Attempt {
        Attempt { at: Instant::now(), failures, of: Wish::of(of) }
    }

    #[test]
    fn read_at_its_times_and_when_asked_for() {
        let quiet = target("5m0s", |_| {});
        assert!(matches!(decide(&quiet, None), Due::In(_)), "an earlier manager read it a moment ago");
        assert!(matches!(decide(&quiet, Some(&attempt(&quiet, 0))), Due::In(_)));
        for (name, changed) in [
            ("another address", target("5m0s", |target| target.spec.backup_target_url = "vfs:///b".into())),
            ("asked for", target("5m0s", |target| target.spec.sync_requested_at = "now".into())),
            ("long ago", target("5m0s", |target| target.status.last_synced_at = "2020-01-01T00:00:00Z".into())),
            ("never", target("5m0s", |target| target.status.last_synced_at.clear())),
        ] {
            assert_eq!(decide(&changed, None), Due::Now, "{name}");
        }
        let asked = target("0s", |target| target.spec.sync_requested_at = "now".into());
        assert_eq!(decide(&asked, Some(&attempt(&quiet, 3))), Due::Now, "a new wish waits for no pause");
        assert_eq!(decide(&asked, Some(&attempt(&asked, 0))), Due::Never, "0 is never");
        assert_eq!(decide(&target("0s", |_| {}), None), Due::Never);
    }

    #[test]
    fn failures_wait_longer_up_to_the_interval() {
        let target = target("1m0s", |target| target.status.available = false);
        let pause = |failures| match decide(&target, Some(&attempt(&target, failures))) {
            Due::In(pause) => pause,
            other => panic!("{other:?}"),
        };
        assert!(pause(1) < pause(2) && pause(40) <= Duration::from_secs(60));
    }
}
