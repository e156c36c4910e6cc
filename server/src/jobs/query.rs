//! What is asked of the history.

use aurochs_api::job::{JobKind, JobStarter, JobState};
use time::OffsetDateTime;

use super::record::JobId;

/// Which jobs. Empty fields let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub volume: Option<String>,
    pub node: Option<String>,
    pub object: Option<String>,
    /// Any of them.
    pub kinds: Vec<JobKind>,
    /// Any of them.
    pub states: Vec<JobState>,
    pub started_by: Option<Starter>,
    /// Those that ran at this moment or later.
    pub from: Option<OffsetDateTime>,
    /// Those that ran before this moment.
    pub to: Option<OffsetDateTime>,
}

/// Who or what began it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    pub kind: JobStarter,
    /// `None` for any of them.
    pub name: Option<String>,
}

/// A part of what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The most that are answered.
    pub limit: u32,
    /// Only those before this one.
    pub before: Option<JobId>,
}
