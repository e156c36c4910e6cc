//! One piece of news as people get it.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::job::JobState;
use aurochs_api::notification::NoticedEvent;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::events::Kept;
use crate::jobs::{Outcome, Record, Standing};
use crate::resources::timestamp;

/// What it is about; targets choose by this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "source")]
pub(super) enum About {
    Event {
        #[serde(rename = "type")]
        kind: NoticedEvent,
        reason: String,
    },
    #[serde(rename_all = "camelCase")]
    Cause {
        code: CauseCode,
        is_gone: bool,
    },
    Job {
        kind: String,
        outcome: JobState,
    },
    Test,
}

/// Kept until it was told, and sent to webhooks as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notice {
    #[serde(flatten)]
    pub(super) about: About,
    pub(super) severity: Severity,
    /// RFC 3339 in UTC.
    pub(super) at: String,
    /// `Volume`.
    pub(super) object_type: String,
    pub(super) object: String,
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) next_step: String,
}

impl Notice {
    pub(super) fn of_event(event: &Kept) -> Self {
        let is_normal = event.kind == "Normal";
        let kind = if is_normal { NoticedEvent::Normal } else { NoticedEvent::Warning };
        let times = if event.count > 1 { format!(" ({} times)", event.count) } else { String::new() };
        Self {
            about: About::Event { kind, reason: event.reason.clone() },
            severity: if is_normal { Severity::Info } else { Severity::Warning },
            at: timestamp::text(event.last_seen),
            object_type: event.object.kind.clone(),
            object: event.object.name.clone(),
            message: format!("{}{times}", event.message),
            next_step: String::new(),
        }
    }

    pub(super) fn of_cause(volume: &str, cause: &Cause) -> Self {
        Self {
            about: About::Cause { code: cause.code, is_gone: false },
            severity: cause.severity,
            at: now(),
            object_type: "Volume".to_owned(),
            object: volume.to_owned(),
            message: cause.message.clone(),
            next_step: cause.next_step.clone(),
        }
    }

    /// What was told of is over.
    pub(super) fn of_gone_cause(volume: &str, code: CauseCode) -> Self {
        Self {
            about: About::Cause { code, is_gone: true },
            severity: Severity::Info,
            at: now(),
            object_type: "Volume".to_owned(),
            object: volume.to_owned(),
            message: format!("{} is over", code.word()),
            next_step: String::new(),
        }
    }

    /// None while it runs.
    pub(super) fn of_job(job: &Record) -> Option<Self> {
        let Standing::Ended { at, outcome } = &job.standing else { return None };
        let (message, next_step) = match outcome {
            Outcome::Failed(failure) => (failure.message.clone(), failure.next_step.clone()),
            Outcome::Cancelled(by) => (format!("{by} cancelled it"), String::new()),
            Outcome::Interrupted => {
                ("it ended with what did it, and nothing went on with it".to_owned(), String::new())
            }
            Outcome::Succeeded => ("it is done".to_owned(), String::new()),
        };
        Some(Self {
            about: About::Job { kind: job.kind.word().to_owned(), outcome: job.state() },
            severity: match outcome {
                Outcome::Failed(_) => Severity::Error,
                Outcome::Cancelled(_) | Outcome::Interrupted => Severity::Warning,
                Outcome::Succeeded => Severity::Info,
            },
            at: timestamp::text(*at),
            object_type: "Job".to_owned(),
            object: job.object.clone(),
            message,
            next_step,
        })
    }

    pub(super) fn test(target: &str) -> Self {
        Self {
            about: About::Test,
            severity: Severity::Info,
            at: now(),
            object_type: "NotificationTarget".to_owned(),
            object: target.to_owned(),
            message: "This is a test that somebody asked for. Nothing happened.".to_owned(),
            next_step: String::new(),
        }
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let what = match &self.about {
            About::Event { reason, .. } => reason.clone(),
            About::Cause { code, is_gone: false } => code.word().to_owned(),
            About::Cause { code, is_gone: true } => format!("{}, gone", code.word()),
            About::Job { kind, .. } => kind.clone(),
            About::Test => "test".to_owned(),
        };
        let next_step = if self.next_step.is_empty() { String::new() } else { format!(" {}", self.next_step) };
        let severity = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        format!("[{severity}] {} {} ({what}): {}{next_step}", self.object_type, self.object, self.message)
    }
}

fn now() -> String {
    timestamp::text(OffsetDateTime::now_utc())
}
