//! Jobs: everything that takes long, with what it has done, how far it is and how it ended. Ours; Longhorn has no such list.

use serde::de::DeserializeOwned;
use serde::de::value::{Error as NoWord, StrDeserializer};
use serde::{Deserialize, Serialize};

use crate::action::NoInput;
use crate::cause::Cause;
use crate::describe::Described;
use crate::schema::Resource;

/// The query of `GET /v1/jobs`. Empty fields ask for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "jobQuestion")]
pub struct JobQuestion {
    pub volume: String,
    pub node: String,
    /// Name of what it is done to.
    pub object: String,
    /// Kinds with commas between them: `rebuild,purge`.
    pub kind: String,
    /// States with commas between them: `running,failed`.
    pub state: String,
    /// Another word for `state`.
    pub outcome: String,
    /// `user`, `user:ann`, `recurringJob:nightly`, `system`.
    pub started_by: String,
    /// Those that ran at this time or later, RFC 3339.
    pub from: String,
    /// Those that ran before this time.
    pub to: String,
    /// How many on a page: 100 when it is left out, at most 1000.
    pub limit: String,
    /// Number of the job that ended the page before; `pagination.next` has it.
    pub marker: String,
}

/// What is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobKind {
    /// A replica gets all data of its volume.
    Rebuild,
    /// What removed snapshots take is given back.
    Purge,
    /// A file system gives back what it does not use.
    Trim,
    /// A volume is filled from another one.
    Clone,
    /// A volume becomes larger.
    Expansion,
    /// The disks are asked whether they still return what a snapshot held.
    SnapshotHash,
    /// One run of a recurring job.
    RecurringRun,
    SupportBundle,
    /// Replicas leave a disk or a node.
    Evacuation,
    EngineUpgrade,
    /// A backing image is fetched or made.
    BackingImage,
    Backup,
    /// A backup is removed from its target.
    BackupDeletion,
    Restore,
    SystemBackup,
    SystemRestore,
    /// Something is looked through for damage.
    Check,
    /// Something this version does not know.
    #[default]
    #[serde(other)]
    Other,
}

/// Whether it runs, or how it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobState {
    #[default]
    Running,
    Succeeded,
    Failed,
    /// Somebody asked for its end.
    Cancelled,
    /// It ended with what did it, and nothing went on with it.
    Interrupted,
}

/// What kind of thing began it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobStarter {
    /// Somebody who is logged in.
    User,
    RecurringJob,
    #[default]
    System,
}

/// How much a line of a job's log matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobLogLevel {
    #[default]
    Info,
    Warning,
    Error,
}

impl JobKind {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        word(self)
    }
}

impl JobState {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        word(self)
    }
}

impl JobStarter {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        word(self)
    }
}

impl JobLogLevel {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        word(self)
    }
}

fn word<T: Described + DeserializeOwned + PartialEq>(of: T) -> &'static str {
    let is_it = |text: &&&'static str| T::deserialize(StrDeserializer::<NoWord>::new(text)).is_ok_and(|one| one == of);
    T::OPTIONS.iter().find(is_it).copied().unwrap_or_default()
}

/// One job. Times are RFC 3339 in UTC, empty for never.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Job {
    pub kind: JobKind,
    pub state: JobState,
    /// What it is done to: name of a volume, a replica, a node, a support bundle.
    pub object: String,
    /// The volume that it concerns; empty for none.
    pub volume: String,
    /// The node that it concerns; empty for none or several.
    pub node: String,
    pub starter: JobStarter,
    /// Name of the user or of the recurring job, or why the system does it.
    pub started_by: String,
    /// What it has gone through; the last one is the present one.
    pub phases: Vec<JobPhase>,
    /// What there is to do; absent where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_bytes: Option<u64>,
    pub done_bytes: u64,
    /// Of the last seconds while it runs, of the whole time afterwards.
    pub bytes_per_second: u64,
    /// How long it takes on at that pace; absent where nobody knows, and when it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
    pub started_at: String,
    /// When anything of it changed last.
    pub updated_at: String,
    pub ended_at: String,
    /// Of one that failed: what happened.
    pub message: String,
    /// Of one that failed: what a person can do.
    pub next_step: String,
    /// Of one that failed: why, where the reason has a code.
    pub causes: Vec<Cause>,
    pub cancellable: bool,
    /// Why it can't be cancelled.
    pub cancel_refusal: String,
    /// Who asked to cancel it; empty for nobody.
    pub cancel_asked_by: String,
    /// What it said; only in the answer about one job.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<JobLogLine>,
}

/// A part of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobPhase {
    pub name: String,
    /// When it began.
    pub at: String,
}

/// A line of a job's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobLogLine {
    /// Counts from 0; a gap stands for lines that were left out.
    pub number: u64,
    pub at: String,
    pub level: JobLogLevel,
    pub text: String,
}

crate::actions! { Job {
    /// Ends it, where that is possible.
    Cancel = "cancel"(NoInput) -> Resource<Job> { offered: is_cancellable };
} }

/// A person can end it now.
#[must_use]
pub fn is_cancellable(job: &Job) -> bool {
    job.state == JobState::Running && job.cancellable && job.cancel_asked_by.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_wire() {
        assert_eq!(JobKind::SnapshotHash.word(), "snapshotHash");
        assert_eq!(JobState::Interrupted.word(), "interrupted");
        assert_eq!(JobStarter::RecurringJob.word(), "recurringJob");
        assert_eq!(JobLogLevel::Warning.word(), "warning");
        assert_eq!(serde_json::to_value(JobKind::SupportBundle).unwrap(), JobKind::SupportBundle.word());
        assert_eq!(serde_json::from_str::<JobKind>("\"ofALaterVersion\"").unwrap(), JobKind::Other);
    }

    #[test]
    fn cancel_is_offered_while_it_can_be_done() {
        let job = Job { cancellable: true, ..Job::default() };
        assert!(is_cancellable(&job));
        assert!(!is_cancellable(&Job { state: JobState::Succeeded, ..job.clone() }));
        assert!(!is_cancellable(&Job { cancellable: false, ..job.clone() }));
        assert!(!is_cancellable(&Job { cancel_asked_by: "ann".to_owned(), ..job }));
    }
}
