//! Typed states as shapes and colours: one of five marks, never colour alone.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::node::NodeStatus;
use aurochs_api::volume::phase::{Group, Phase};

use crate::live::Link;
use crate::model::replicas::ReplicaPhase;

/// One shape and one hue each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Filled disc.
    Healthy,
    /// Half disc.
    Degraded,
    /// Cross.
    Faulted,
    /// Turning arc.
    Progress,
    /// Ring.
    Idle,
}

impl Mark {
    /// Class of the style sheet that sets the colours.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Faulted => "faulted",
            Self::Progress => "progress",
            Self::Idle => "idle",
        }
    }
}

impl Mark {
    /// As bad as the cause is. Where somebody wished it so, nothing is at work.
    pub(crate) fn of(cause: &Cause) -> Self {
        match (cause.severity, cause.code) {
            (Severity::Info, CauseCode::SchedulingDisabled | CauseCode::SettingPending) => Self::Idle,
            (severity, _) => severity.into(),
        }
    }
}

impl From<Group> for Mark {
    fn from(group: Group) -> Self {
        match group {
            Group::Healthy => Self::Healthy,
            Group::Degraded => Self::Degraded,
            Group::InProgress => Self::Progress,
            Group::Faulted => Self::Faulted,
            Group::Detached => Self::Idle,
        }
    }
}

impl From<Phase> for Mark {
    fn from(phase: Phase) -> Self {
        phase.group().into()
    }
}

impl From<NodeStatus> for Mark {
    fn from(status: NodeStatus) -> Self {
        match status {
            NodeStatus::Schedulable => Self::Healthy,
            NodeStatus::Unschedulable => Self::Degraded,
            NodeStatus::Disabled => Self::Idle,
            NodeStatus::Down => Self::Faulted,
            NodeStatus::Unknown => Self::Progress,
        }
    }
}

impl From<ReplicaPhase> for Mark {
    fn from(phase: ReplicaPhase) -> Self {
        match phase {
            ReplicaPhase::Healthy => Self::Healthy,
            ReplicaPhase::Rebuilding | ReplicaPhase::Starting => Self::Progress,
            ReplicaPhase::Failed => Self::Faulted,
            ReplicaPhase::Stopped => Self::Idle,
        }
    }
}

impl From<Severity> for Mark {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Progress,
            Severity::Warning => Self::Degraded,
            Severity::Error => Self::Faulted,
        }
    }
}

impl From<Link> for Mark {
    fn from(link: Link) -> Self {
        match link {
            Link::Connecting | Link::Reconnecting { .. } => Self::Progress,
            Link::Live => Self::Healthy,
        }
    }
}

/// The mark of an instance manager's or a process's state, which Longhorn has as text.
pub(crate) fn process_mark(state: &str) -> Mark {
    match state {
        "running" => Mark::Healthy,
        "starting" | "stopping" => Mark::Progress,
        "error" => Mark::Faulted,
        _ => Mark::Idle,
    }
}
