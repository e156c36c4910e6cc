//! What a person should look at, worst first.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::node::Node;
use aurochs_api::setting::Setting;
use aurochs_api::volume::Volume;
use aurochs_api::volume::phase::Phase;

use super::filter::natural;
use crate::address;
use crate::words::told;

/// What a cause belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Volume { name: String, phase: Phase },
    Node { name: String },
    Disk { node: String, disk: String },
    Setting { name: String, title: String },
}

impl Subject {
    /// The page that is about it.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Volume { name, .. } => address::volume(name),
            Self::Node { name } | Self::Disk { node: name, .. } => format!("nodes/{name}"),
            Self::Setting { name, .. } => format!("settings?q={name}"),
        }
    }
}

/// One line of "Needs attention".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attention {
    pub(crate) subject: Subject,
    pub(crate) cause: Cause,
}

/// Where the button of a line leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The volume's own page tells more.
    ShowVolume,
    /// It is being worked on; the volume's page shows how far.
    Watch,
    /// The nodes' disks decide.
    ShowDisks,
    ShowNode,
    ShowSetting,
}

impl Attention {
    /// Of each volume its worst cause, of nodes, disks and settings every one.
    pub(crate) fn collect<'a>(
        volumes: impl IntoIterator<Item = &'a Volume>,
        nodes: impl IntoIterator<Item = &'a Node>,
        settings: impl IntoIterator<Item = &'a Setting>,
    ) -> Vec<Self> {
        let mut list: Vec<Self> = volumes.into_iter().filter_map(Self::of_volume).collect();
        for node in nodes {
            let of_node = node.causes.iter().map(|cause| (Subject::Node { name: node.name.clone() }, cause));
            let of_disks = node.disks.iter().flat_map(|(disk, shape)| {
                let subject = Subject::Disk { node: node.name.clone(), disk: disk.clone() };
                shape.causes.iter().map(move |cause| (subject.clone(), cause))
            });
            list.extend(of_node.chain(of_disks).map(|(subject, cause)| Self { subject, cause: cause.clone() }));
        }
        for setting in settings {
            let subject =
                Subject::Setting { name: setting.name.clone(), title: told(&setting.definition.display_name) };
            list.extend(setting.causes.iter().map(|cause| Self { subject: subject.clone(), cause: cause.clone() }));
        }
        list.sort_by(|a, b| b.cause.severity.cmp(&a.cause.severity).then_with(|| natural(a.name(), b.name())));
        list
    }

    fn of_volume(volume: &Volume) -> Option<Self> {
        // The manager sends the worst first; the maximum keeps that true for any order.
        let cause = volume.causes.iter().rev().max_by_key(|cause| cause.severity)?;
        let subject = Subject::Volume { name: volume.name.clone(), phase: Phase::of(volume) };
        Some(Self { subject, cause: cause.clone() })
    }

    fn name(&self) -> &str {
        match &self.subject {
            Subject::Volume { name, .. }
            | Subject::Node { name }
            | Subject::Disk { node: name, .. }
            | Subject::Setting { name, .. } => name,
        }
    }

    /// A key that stays the same while the line is about the same thing.
    pub(crate) fn key(&self) -> String {
        match &self.subject {
            Subject::Volume { name, .. } => format!("volume/{name}"),
            Subject::Node { name } => format!("node/{name}/{:?}", self.cause.code),
            Subject::Disk { node, disk } => format!("disk/{node}/{disk}/{:?}", self.cause.code),
            Subject::Setting { name, .. } => format!("setting/{name}/{:?}", self.cause.code),
        }
    }

    pub(crate) fn remedy(&self) -> Remedy {
        match (&self.subject, self.cause.code) {
            (Subject::Disk { .. }, _) => Remedy::ShowDisks,
            (Subject::Node { .. }, _) => Remedy::ShowNode,
            (Subject::Setting { .. }, _) => Remedy::ShowSetting,
            (
                Subject::Volume { .. },
                CauseCode::InsufficientStorage
                | CauseCode::DiskPressure
                | CauseCode::DiskNotReady
                | CauseCode::SelectorMismatch
                | CauseCode::SchedulingDisabled
                | CauseCode::Evicting
                | CauseCode::FilesystemUnsupported
                | CauseCode::PurgeFailed
                | CauseCode::RemovalFailed
                | CauseCode::DiskFailing
                | CauseCode::Orphan,
            ) => Remedy::ShowDisks,
            (
                Subject::Volume { .. },
                CauseCode::NodeDown
                | CauseCode::NotEnoughNodes
                | CauseCode::AntiAffinity
                | CauseCode::Environment
                | CauseCode::EngineImageNotReady,
            ) => Remedy::ShowNode,
            (
                Subject::Volume { .. },
                CauseCode::Rebuilding
                | CauseCode::Reconciling
                | CauseCode::RebuildWaiting
                | CauseCode::AttachWaiting
                | CauseCode::DetachWaiting
                | CauseCode::ExpansionWaiting
                | CauseCode::BackupWaiting
                | CauseCode::Restoring
                | CauseCode::BackingImageWaiting
                | CauseCode::SettingPending,
            ) => Remedy::Watch,
            (
                Subject::Volume { .. },
                CauseCode::ReplicaFailed
                | CauseCode::NoUsableReplica
                | CauseCode::EngineFailed
                | CauseCode::FrontendUnavailable
                | CauseCode::RecordUnavailable
                | CauseCode::SnapshotLimit
                | CauseCode::SnapshotNotDeletable
                | CauseCode::SnapshotWaiting
                | CauseCode::SnapshotDamaged
                | CauseCode::FilesystemReadOnly
                | CauseCode::SupportBundleFailed
                | CauseCode::AttachConflict
                | CauseCode::ExpansionFailed
                | CauseCode::SalvageNeeded
                | CauseCode::CloneFailed
                | CauseCode::BackupTargetUnavailable
                | CauseCode::BackupFailed
                | CauseCode::BackupNotDeletable
                | CauseCode::RestoreFailed
                | CauseCode::BackingImageFailed
                | CauseCode::Other,
            ) => Remedy::ShowVolume,
        }
    }
}

/// How many lines are more than news.
pub(crate) fn urgent(list: &[Attention]) -> usize {
    list.iter().filter(|attention| attention.cause.severity > Severity::Info).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(code: CauseCode, severity: Severity) -> Cause {
        Cause {
            code,
            severity,
            message: String::new(),
            next_step: String::new(),
            objects: Vec::new(),
            details: Vec::new(),
        }
    }

    #[test]
    fn worst_first_then_by_name() {
        let volume = |name: &str, causes| Volume { name: name.into(), causes, ..Volume::default() };
        let volumes = [
            volume("b", vec![cause(CauseCode::Rebuilding, Severity::Info)]),
            volume("quiet", Vec::new()),
            volume("a", vec![cause(CauseCode::Rebuilding, Severity::Info), cause(CauseCode::Other, Severity::Warning)]),
        ];
        let node = Node {
            name: "node-1".into(),
            causes: vec![cause(CauseCode::NodeDown, Severity::Error)],
            ..Node::default()
        };
        let setting = Setting {
            name: "taints".into(),
            causes: vec![cause(CauseCode::SettingPending, Severity::Info)],
            ..Setting::default()
        };
        let list = Attention::collect(&volumes, [&node], [&setting]);
        let keys: Vec<String> = list.iter().map(Attention::key).collect();
        assert_eq!(keys, ["node/node-1/NodeDown", "volume/a", "volume/b", "setting/taints/SettingPending"]);
        assert_eq!(list[3].subject.address(), "settings?q=taints");
        assert_eq!(list[1].cause.severity, Severity::Warning);
        assert_eq!(list[2].remedy(), Remedy::Watch);
        assert_eq!(urgent(&list), 2);
    }
}
