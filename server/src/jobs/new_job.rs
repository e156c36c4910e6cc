//! What whoever does long work tells about it.

use aurochs_api::cause::Cause;
use aurochs_api::job::{JobKind, JobStarter};

/// Work that begins, or that goes on after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    pub kind: JobKind,
    /// What it is done to: name of a volume, a replica, a node.
    pub object: String,
    pub volume: Option<String>,
    pub node: Option<String>,
    pub started_by: StartedBy,
    pub cancel: Cancel,
    /// `None` where nobody knows.
    pub planned_bytes: Option<u64>,
    /// The natural name of the work. A running job with this key is gone on with instead of beginning another; without a
    /// key the job ends with its handle.
    pub key: Option<String>,
}

impl NewJob {
    /// Work of the system that can't be cancelled, of unknown size and without a key.
    #[must_use]
    pub fn new(kind: JobKind, object: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            kind,
            object: object.into(),
            volume: None,
            node: None,
            started_by: StartedBy::System(why.into()),
            cancel: Cancel::Impossible("This work can't be cancelled.".to_owned()),
            planned_bytes: None,
            key: None,
        }
    }
}

/// Who or what began it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartedBy {
    /// Name of the user.
    User(String),
    /// Name of the recurring job.
    RecurringJob(String),
    /// Why, in a sentence.
    System(String),
}

impl StartedBy {
    #[must_use]
    pub fn of(starter: JobStarter, text: String) -> Self {
        match starter {
            JobStarter::User => Self::User(text),
            JobStarter::RecurringJob => Self::RecurringJob(text),
            JobStarter::System => Self::System(text),
        }
    }

    #[must_use]
    pub const fn starter(&self) -> JobStarter {
        match self {
            Self::User(_) => JobStarter::User,
            Self::RecurringJob(_) => JobStarter::RecurringJob,
            Self::System(_) => JobStarter::System,
        }
    }

    /// The name, or the reason.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::User(text) | Self::RecurringJob(text) | Self::System(text) => text,
        }
    }
}

/// Whether a person can end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// Whoever does the work watches [`super::JobHandle::cancelled`].
    Possible,
    /// Why not, and what to do instead.
    Impossible(String),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    Failed(Failure),
    /// By this user.
    Cancelled(String),
    /// It ended with what did it, and nothing goes on with it.
    Interrupted,
}

/// Why it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    /// What a person can do, or what happens without anybody.
    pub next_step: String,
    pub cause: Option<Cause>,
}

impl Failure {
    /// For what has no code.
    #[must_use]
    pub fn new(message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { message: message.into(), next_step: next_step.into(), cause: None }
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { message: cause.message.clone(), next_step: cause.next_step.clone(), cause: Some(cause) }
    }
}
