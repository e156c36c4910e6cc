//! The rules of placement by name: our word for the list of refusals, Longhorn's words for the condition `Scheduled`,
//! the code that the dashboard picks its button from.

use aurochs_api::cause::CauseCode;

/// What can say no to a disk, in the order in which it is asked (behaviour.md §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The volume is bound to another node.
    HardAffinity,
    NodeDeleting,
    /// Its instance manager does not answer.
    NodeReady,
    /// It is cordoned, or its condition `Schedulable` says no for another reason.
    NodeSchedulable,
    /// A person switched scheduling off.
    NodeScheduling,
    NodeEvicting,
    EngineImage,
    NodeTags,
    /// The node has no disk.
    NoDisk,
    DiskReady,
    DiskScheduling,
    DiskEvicting,
    DiskType,
    /// The file system can't hold a file of the volume's size.
    VolumeSize,
    DiskTags,
    /// Too little is really free.
    FreeSpace,
    /// Too much is promised already.
    PromisedSpace,
    ZoneAntiAffinity,
    NodeAntiAffinity,
    DiskAntiAffinity,
}

impl Rule {
    /// Our word for it, in `details` of a cause.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::HardAffinity => "hard-affinity",
            Self::NodeDeleting => "node-deleting",
            Self::NodeReady => "node-ready",
            Self::NodeSchedulable => "node-schedulable",
            Self::NodeScheduling => "node-scheduling",
            Self::NodeEvicting => "node-evicting",
            Self::EngineImage => "engine-image",
            Self::NodeTags => "node-tags",
            Self::NoDisk => "no-disk",
            Self::DiskReady => "disk-ready",
            Self::DiskScheduling => "disk-scheduling",
            Self::DiskEvicting => "disk-evicting",
            Self::DiskType => "disk-type",
            Self::VolumeSize => "volume-size",
            Self::DiskTags => "disk-tags",
            Self::FreeSpace => "free-space",
            Self::PromisedSpace => "promised-space",
            Self::ZoneAntiAffinity => "zone-anti-affinity",
            Self::NodeAntiAffinity => "node-anti-affinity",
            Self::DiskAntiAffinity => "disk-anti-affinity",
        }
    }

    /// Longhorn's reason for the same: scripts and people look for these words in the condition `Scheduled`.
    #[must_use]
    pub const fn longhorn(self) -> &'static str {
        match self {
            Self::HardAffinity => "hard affinity cannot be satisfied",
            Self::NodeDeleting
            | Self::NodeReady
            | Self::NodeSchedulable
            | Self::NodeScheduling
            | Self::NodeEvicting => "nodes are unavailable",
            Self::EngineImage => "none of the node candidates contains a ready engine image",
            Self::NodeTags | Self::DiskTags => "tags not fulfilled",
            Self::NoDisk => "disk not found",
            Self::DiskReady | Self::DiskScheduling | Self::DiskEvicting | Self::DiskType => "disks are unavailable",
            Self::VolumeSize => "incompatible volume size",
            Self::FreeSpace | Self::PromisedSpace => "insufficient storage",
            Self::ZoneAntiAffinity | Self::NodeAntiAffinity | Self::DiskAntiAffinity => "replica scheduling failed",
        }
    }

    #[must_use]
    pub const fn code(self) -> CauseCode {
        match self {
            Self::HardAffinity => CauseCode::NotEnoughNodes,
            Self::NodeReady => CauseCode::NodeDown,
            Self::NodeDeleting | Self::NodeSchedulable | Self::NodeScheduling | Self::DiskScheduling => {
                CauseCode::SchedulingDisabled
            }
            Self::NodeEvicting | Self::DiskEvicting => CauseCode::Evicting,
            Self::EngineImage => CauseCode::Environment,
            Self::NodeTags | Self::DiskTags => CauseCode::SelectorMismatch,
            Self::NoDisk | Self::DiskReady | Self::DiskType => CauseCode::DiskNotReady,
            Self::VolumeSize => CauseCode::FilesystemUnsupported,
            Self::FreeSpace => CauseCode::DiskPressure,
            Self::PromisedSpace => CauseCode::InsufficientStorage,
            Self::ZoneAntiAffinity | Self::NodeAntiAffinity | Self::DiskAntiAffinity => CauseCode::AntiAffinity,
        }
    }
}
