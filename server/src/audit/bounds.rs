//! How much of the log is kept.

use std::sync::OnceLock;
use std::time::Duration;

use time::OffsetDateTime;

use super::keeper::UnixMillis;
use crate::settings::{Name, Settings};

/// So many are kept whatever their age: a clock that jumps must not empty the log.
pub(super) const NUMBER_MINIMUM: i64 = 1000;

/// What is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) number: i64,
    /// What is older goes.
    pub(super) oldest: UnixMillis,
}

impl Bounds {
    pub(super) fn now(settings: &OnceLock<Settings>) -> Self {
        let settings = settings.get().cloned().unwrap_or_default();
        let (days, number) = (settings.number(Name::AuditMaxAgeDays), settings.number(Name::AuditMaxCount));
        let age = Duration::from_secs(days * 24 * 60 * 60);
        let number = i64::try_from(number).unwrap_or(i64::MAX).max(NUMBER_MINIMUM);
        Self { number, oldest: super::keeper::millis(OffsetDateTime::now_utc() - age) }
    }
}
