//! VolumeAttachment: the tickets of those who want a volume attached. Its name is the volume's.

use std::collections::BTreeMap;

use aurochs_api::condition::Condition;
use aurochs_api::describe::Described;
use serde::{Deserialize, Serialize};

use super::Kind;

#[derive(Clone, Copy, Debug, Default)]
pub struct VolumeAttachment;

impl Kind for VolumeAttachment {
    const KIND: &'static str = "VolumeAttachment";
    const PLURAL: &'static str = "volumeattachments";
    const FINALIZED: bool = true;
    type Spec = VolumeAttachmentSpec;
    type Status = VolumeAttachmentStatus;
}

/// Ticket parameter that asks for maintenance mode: the engine runs without a device.
pub const PARAMETER_DISABLE_FRONTEND: &str = "disableFrontend";
/// Its value of a ticket that is served by either way.
pub const EITHER_WAY: &str = "any";
/// Ticket parameter that says who asked.
pub const PARAMETER_LAST_ATTACHED_BY: &str = "lastAttachedBy";
/// Condition of a ticket.
pub const CONDITION_SATISFIED: &str = "Satisfied";

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeAttachmentSpec {
    pub volume: String,
    /// Keyed by ticket id.
    pub attachment_tickets: BTreeMap<String, AttachmentTicket>,
}

/// Who asks. The order of the variants says nothing; see [`AttacherType::priority`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttacherType {
    CsiAttacher,
    #[default]
    #[serde(alias = "")]
    LonghornApi,
    SnapshotController,
    BackupController,
    VolumeCloneController,
    VolumeRestoreController,
    VolumeExpansionController,
    VolumeRebuildingController,
    VolumeEvictionController,
    /// An image is made of the volume.
    #[serde(rename = "bim-ds-controller")]
    BackingImageController,
    ShareManagerController,
    SalvageController,
    LonghornUpgrader,
    #[serde(other)]
    Other,
}

impl AttacherType {
    /// The manager's own: nobody else asks in their name.
    pub const CONTROLLERS: [Self; 10] = [
        Self::SnapshotController,
        Self::BackupController,
        Self::VolumeCloneController,
        Self::VolumeRestoreController,
        Self::VolumeExpansionController,
        Self::VolumeRebuildingController,
        Self::VolumeEvictionController,
        Self::BackingImageController,
        Self::SalvageController,
        Self::LonghornUpgrader,
    ];

    /// The highest wins when several tickets could be served.
    #[must_use]
    pub const fn priority(&self) -> u32 {
        match self {
            Self::VolumeRestoreController | Self::VolumeExpansionController => 2000,
            Self::LonghornApi => 1000,
            Self::CsiAttacher | Self::ShareManagerController | Self::SalvageController => 900,
            Self::SnapshotController
            | Self::BackupController
            | Self::VolumeCloneController
            | Self::VolumeRebuildingController
            | Self::VolumeEvictionController
            | Self::BackingImageController
            | Self::LonghornUpgrader
            | Self::Other => 800,
        }
    }

    /// A workload's ticket may push an interruptible one away.
    #[must_use]
    pub const fn is_interruptible(&self) -> bool {
        matches!(self, Self::SnapshotController | Self::BackupController)
    }

    /// The word in a ticket.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::CsiAttacher => "csi-attacher",
            Self::LonghornApi => "longhorn-api",
            Self::SnapshotController => "snapshot-controller",
            Self::BackupController => "backup-controller",
            Self::VolumeCloneController => "volume-clone-controller",
            Self::VolumeRestoreController => "volume-restore-controller",
            Self::VolumeExpansionController => "volume-expansion-controller",
            Self::VolumeRebuildingController => "volume-rebuilding-controller",
            Self::VolumeEvictionController => "volume-eviction-controller",
            Self::BackingImageController => "bim-ds-controller",
            Self::ShareManagerController => "share-manager-controller",
            Self::SalvageController => "salvage-controller",
            Self::LonghornUpgrader => "longhorn-upgrader",
            Self::Other => "other",
        }
    }

    #[must_use]
    pub const fn is_workload(&self) -> bool {
        matches!(self, Self::CsiAttacher | Self::LonghornApi | Self::ShareManagerController)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AttachmentTicket {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: AttacherType,
    #[serde(rename = "nodeID")]
    pub node_id: String,
    pub parameters: BTreeMap<String, String>,
    pub generation: i64,
}

/// What a ticket says about the volume's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrontendWish {
    /// The volume is offered as its spec says.
    On,
    /// Maintenance: the engine runs without a device.
    Off,
    /// Whoever works on the engine alone is served by both; a volume that is attached for it alone stays without a device.
    Either,
}

impl FrontendWish {
    /// As it stands in the ticket's parameters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::On => "false",
            Self::Off => "true",
            Self::Either => EITHER_WAY,
        }
    }
}

impl AttachmentTicket {
    #[must_use]
    pub fn frontend(&self) -> FrontendWish {
        match self.parameters.get(PARAMETER_DISABLE_FRONTEND).map(String::as_str) {
            Some("true") => FrontendWish::Off,
            Some(EITHER_WAY) => FrontendWish::Either,
            _ => FrontendWish::On,
        }
    }

    /// A volume that is attached for this ticket alone has no device.
    #[must_use]
    pub fn disables_frontend(&self) -> bool {
        self.frontend() != FrontendWish::On
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeAttachmentStatus {
    pub attachment_ticket_statuses: BTreeMap<String, AttachmentTicketStatus>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AttachmentTicketStatus {
    pub id: String,
    pub satisfied: bool,
    pub generation: i64,
    pub conditions: Vec<Condition>,
}
