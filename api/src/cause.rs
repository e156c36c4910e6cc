//! Why something is not as wished, with numbers and the next step. The same text everywhere: API, dashboard, events.

use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoWord, StrDeserializer};
use serde::{Deserialize, Serialize};

use crate::describe::Described;

/// What kind of reason it is; the dashboard picks the button from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseCode {
    /// No disk has room for a replica.
    InsufficientStorage,
    /// Fewer usable nodes than replicas, and two on one node are not allowed.
    NotEnoughNodes,
    /// A node's instance manager does not answer.
    NodeDown,
    /// A disk's path can't be used.
    DiskNotReady,
    /// A disk has less free space than the minimum.
    DiskPressure,
    /// A replica was dropped from the membership.
    ReplicaFailed,
    /// A replica is being rebuilt.
    Rebuilding,
    /// No replica with all data can be reached.
    NoUsableReplica,
    /// The engine ended or refuses to run.
    EngineFailed,
    /// Replicas are being made equal after an unclean stop.
    Reconciling,
    /// The wished frontend can't be had on the node.
    FrontendUnavailable,
    /// The control record can't be written; I/O waits.
    RecordUnavailable,
    /// No node or disk has the tags that the volume asks for.
    SelectorMismatch,
    /// Scheduling is switched off where a replica could go.
    SchedulingDisabled,
    /// Another replica of the volume is there already.
    AntiAffinity,
    /// The disk or node is being emptied.
    Evicting,
    /// The volume has as many snapshots, or as many bytes in them, as it may have.
    SnapshotLimit,
    /// A snapshot is to go but can't yet.
    SnapshotNotDeletable,
    /// Attaching takes long; something is waited for.
    AttachWaiting,
    /// Two want the volume at different places.
    AttachConflict,
    /// A new size waits for something.
    ExpansionWaiting,
    /// A new size could not be given.
    ExpansionFailed,
    /// A rebuild waits for its turn.
    RebuildWaiting,
    /// Layers could not be merged.
    PurgeFailed,
    /// A setting is stored but not in force yet.
    SettingPending,
    /// The node lacks something that is needed.
    Environment,
    /// The file system can't hold the volume.
    FilesystemUnsupported,
    /// No replica is known to be whole; a person has to choose.
    SalvageNeeded,
    /// Data or a process that nothing belongs to.
    Orphan,
    /// A copy of another volume failed.
    CloneFailed,
    /// Detaching takes long; something is waited for.
    DetachWaiting,
    /// Files or a process that nobody needs can't be removed.
    RemovalFailed,
    /// The file system in the volume is mounted read-only.
    FilesystemReadOnly,
    /// A snapshot is asked for and not taken yet.
    SnapshotWaiting,
    /// The files of a snapshot are missing or changed.
    SnapshotDamaged,
    /// A device says that it is about to fail, or has failed.
    DiskFailing,
    /// A version of the engine does not run everywhere.
    EngineImageNotReady,
    /// A support bundle could not be made.
    SupportBundleFailed,
    /// Where backups are kept can't be used.
    BackupTargetUnavailable,
    /// A backup waits for something.
    BackupWaiting,
    /// A backup was not made, or is damaged where it is kept.
    BackupFailed,
    /// A backup could not be removed from its target.
    BackupNotDeletable,
    /// The volume is being filled from a backup.
    Restoring,
    /// The volume could not be filled from a backup.
    RestoreFailed,
    /// A backing image is not where it is needed yet.
    BackingImageWaiting,
    /// A backing image, or a copy of it, could not be made.
    BackingImageFailed,
    /// Something this version does not know.
    #[serde(other)]
    Other,
}

impl CauseCode {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        let mut all = Self::all().zip(Self::OPTIONS);
        all.find(|(code, _)| *code == self).map_or("other", |(_, word)| word)
    }

    /// Every code, in the order of the list above.
    pub fn all() -> impl Iterator<Item = Self> {
        let read = |word: &&'static str| -> Result<Self, NoWord> {
            let word: StrDeserializer<'_, NoWord> = (*word).into_deserializer();
            Self::deserialize(word)
        };
        Self::OPTIONS.iter().filter_map(move |word| read(word).ok())
    }
}

impl Cause {
    /// Without details, which most causes need not have.
    #[must_use]
    pub fn new(code: CauseCode, severity: Severity, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        let (message, next_step) = (message.into(), next_step.into());
        Self { code, severity, message, next_step, objects: Vec::new(), details: Vec::new() }
    }

    /// Names the objects that the sentence speaks of.
    #[must_use]
    pub fn about<Name: Into<String>>(mut self, objects: impl IntoIterator<Item = Name>) -> Self {
        self.objects = objects.into_iter().map(Into::into).filter(|name| !name.is_empty()).collect();
        self
    }

    /// Every place that was looked at.
    #[must_use]
    pub fn detailed(mut self, details: Vec<CauseDetail>) -> Self {
        self.details = details;
        self
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to do; it is being worked on.
    Info,
    /// Redundancy or room is short.
    Warning,
    /// Data can't be reached or a wish can't be met.
    Error,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    pub code: CauseCode,
    pub severity: Severity,
    /// One sentence with names and numbers: "The third replica needs 10 GiB; disk d2 on node-3 has 8.1 GiB schedulable."
    pub message: String,
    /// What a person can do, or what happens without anybody.
    #[serde(default)]
    pub next_step: String,
    /// Names of the nodes, disks and replicas the sentence speaks of.
    #[serde(default)]
    pub objects: Vec<String>,
    /// Every place that was looked at, where the sentence names only some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<CauseDetail>,
}

/// What one place lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CauseDetail {
    pub node: String,
    /// Name of the disk; empty when the whole node is meant.
    pub disk: String,
    /// The rule that says no, one word: `tags`, `space`, `anti-affinity`.
    pub rule: String,
    /// What the rule asks for; none when it is not about bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_bytes: Option<u64>,
    /// What there is of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_bytes: Option<u64>,
    /// The whole in a sentence.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../docs/causes.md");

    /// A row of the table begins with the code: `| `node-down` | what it means | what to do |`.
    #[test]
    fn every_code_is_in_the_documentation_with_what_to_do() {
        let rows: Vec<Vec<&str>> = DOCS
            .lines()
            .skip_while(|line| !line.starts_with("| code |"))
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        for code in CauseCode::all() {
            let word = code.word();
            let row = rows.iter().find(|row| row[0] == format!("`{word}`"));
            let row = row.unwrap_or_else(|| panic!("docs/causes.md has no row for {word}"));
            assert!(row.len() == 3 && row.iter().all(|cell| !cell.is_empty()), "{word}: {row:?}");
        }
        assert_eq!(rows.len(), CauseCode::all().count(), "a row of docs/causes.md is of no code");
    }

    #[test]
    fn codes_and_words() {
        assert_eq!(CauseCode::NodeDown.word(), "node-down");
        assert_eq!(CauseCode::Other.word(), "other");
        for code in CauseCode::all() {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
        let later: CauseCode = serde_json::from_value("of-a-later-version".into()).unwrap();
        assert_eq!(later, CauseCode::Other);
    }
}
