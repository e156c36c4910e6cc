//! A job as it is kept.

use std::fmt;
use std::str::FromStr;

use aurochs_api::job::{JobKind, JobLogLevel, JobState};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::new_job::{Cancel, NewJob, Outcome, StartedBy};

/// Phases that are kept of one job; one that goes to and fro for ever has its latest in the last place.
const PHASES_MAXIMUM: usize = 32;
/// Longest text of a name, a reason, a line.
pub(super) const TEXT_LIMIT_BYTES: usize = 1024;

/// Number of a job: a later one has a greater number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub(super) i64);

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What is no number of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the number of a job is a whole number above zero")]
pub struct NoJobId;

impl FromStr for JobId {
    type Err = NoJobId;

    fn from_str(text: &str) -> Result<Self, NoJobId> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| *number > 0 && is_plain);
        number.map(Self).ok_or(NoJobId)
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: JobId,
    pub key: Option<String>,
    pub kind: JobKind,
    pub object: String,
    /// Empty for none, as the node.
    pub volume: String,
    pub node: String,
    pub started_by: StartedBy,
    pub cancel: Cancel,
    /// The user who asked to cancel it.
    pub cancel_asked_by: Option<String>,
    pub phases: Vec<Phase>,
    pub planned_bytes: Option<u64>,
    pub done_bytes: u64,
    pub started_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub standing: Standing,
}

/// Whether it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Running,
    Ended { at: OffsetDateTime, outcome: Outcome },
}

/// A part of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// A line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counts from 0.
    pub number: u64,
    pub at: OffsetDateTime,
    pub level: JobLogLevel,
    pub text: String,
}

impl Record {
    pub(super) fn begin(id: JobId, new: NewJob, now: OffsetDateTime) -> Self {
        Self {
            id,
            key: new.key,
            kind: new.kind,
            object: new.object,
            volume: new.volume.unwrap_or_default(),
            node: new.node.unwrap_or_default(),
            started_by: new.started_by,
            cancel: new.cancel,
            cancel_asked_by: None,
            phases: Vec::new(),
            planned_bytes: new.planned_bytes,
            done_bytes: 0,
            started_at: now,
            updated_at: now,
            standing: Standing::Running,
        }
    }

    #[must_use]
    pub const fn state(&self) -> JobState {
        match &self.standing {
            Standing::Running => JobState::Running,
            Standing::Ended { outcome, .. } => match outcome {
                Outcome::Succeeded => JobState::Succeeded,
                Outcome::Failed(_) => JobState::Failed,
                Outcome::Cancelled(_) => JobState::Cancelled,
                Outcome::Interrupted => JobState::Interrupted,
            },
        }
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.standing == Standing::Running
    }

    #[must_use]
    pub const fn ended_at(&self) -> Option<OffsetDateTime> {
        match &self.standing {
            Standing::Running => None,
            Standing::Ended { at, .. } => Some(*at),
        }
    }

    /// Bytes in a second over its whole time.
    #[must_use]
    pub fn average_rate(&self) -> u64 {
        let until = self.ended_at().unwrap_or(self.updated_at);
        let milliseconds = u64::try_from((until - self.started_at).whole_milliseconds()).unwrap_or_default();
        self.done_bytes.saturating_mul(1000).checked_div(milliseconds).unwrap_or_default()
    }

    /// Whether that is another phase than before.
    pub(super) fn enter(&mut self, name: &str, now: OffsetDateTime) -> bool {
        if self.phases.last().is_some_and(|last| last.name == name) {
            return false;
        }
        if self.phases.len() >= PHASES_MAXIMUM {
            self.phases.pop();
        }
        self.phases.push(Phase { name: shortened(name), at: now });
        true
    }
}

pub(super) fn shortened(text: &str) -> String {
    if text.len() <= TEXT_LIMIT_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TEXT_LIMIT_BYTES - '…'.len_utf8());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let new = NewJob::new(JobKind::Rebuild, "v-r-1", "a replica failed");
        Record::begin(JobId(1), new, OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn numbers_of_jobs() {
        assert_eq!("7".parse(), Ok(JobId(7)));
        for wrong in ["", "0", "-1", "+1", "1.5", "seven", "99999999999999999999", " 1"] {
            assert_eq!(wrong.parse::<JobId>(), Err(NoJobId), "{wrong:?}");
        }
    }

    #[test]
    fn phases_are_bounded_and_told_once() {
        let mut job = record();
        assert!(job.enter("copying", OffsetDateTime::UNIX_EPOCH));
        assert!(!job.enter("copying", OffsetDateTime::UNIX_EPOCH));
        for number in 0..100 {
            job.enter(&number.to_string(), OffsetDateTime::UNIX_EPOCH);
        }
        assert_eq!(job.phases.len(), PHASES_MAXIMUM);
        assert_eq!((job.phases[0].name.as_str(), job.phases[PHASES_MAXIMUM - 1].name.as_str()), ("copying", "99"));
    }

    #[test]
    fn the_average_is_over_the_whole_time() {
        let mut job = record();
        assert_eq!(job.average_rate(), 0, "no time has passed");
        job.done_bytes = 10 << 20;
        let at = job.started_at + std::time::Duration::from_secs(10);
        job.standing = Standing::Ended { at, outcome: Outcome::Succeeded };
        assert_eq!(job.average_rate(), 1 << 20);
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        let text = shortened(&"ä".repeat(2000));
        assert!(text.len() <= TEXT_LIMIT_BYTES && text.ends_with('…'), "{}", text.len());
    }
}
