//! Where replicas go.

use super::Name;
use crate::settings::Form;
use crate::settings::definition::{Definition, boolean, int, int_between, int_from, text};

pub(super) const ROWS: &[Definition] = &[
    boolean(Name::AllowEmptyDiskSelectorVolume, "true").says(
        "Allow Scheduling Empty Disk Selector Volumes To Any Disk",
        "Volumes without a disk selector may use disks that have tags.",
    ),
    boolean(Name::AllowEmptyNodeSelectorVolume, "true").says(
        "Allow Scheduling Empty Node Selector Volumes To Any Node",
        "Volumes without a node selector may use nodes that have tags.",
    ),
    boolean(Name::AllowVolumeCreationWithDegradedAvailability, "true").says(
        "Allow Volume Creation With Degraded Availability",
        "A volume may be used although not all of its replicas have a place yet.",
    ),
    boolean(Name::DisableSchedulingOnCordonedNode, "true")
        .says("Disable Scheduling On Cordoned Node", "No new replicas on nodes that are cordoned."),
    text(Name::ReplicaAutoBalance, "disabled").one_of(&["disabled", "least-effort", "best-effort"]).says(
        "Replica Auto Balance",
        "Whether replicas of healthy volumes are moved so that they are spread over nodes and zones: least-effort moves as \
         few as keep a volume safe, best-effort evens nodes and disks out too. A volume can say otherwise.",
    ),
    int(Name::ReplicaAutoBalanceDiskPressurePercentage, "90").formed(Form::Between(0, 100)).says(
        "Replica Auto Balance Disk Pressure Threshold (%)",
        "With best-effort balance, replicas move to another disk of their node when a disk is used by this much; 0 moves none.",
    ),
    boolean(Name::ReplicaDiskSoftAntiAffinity, "true").says(
        "Replica Disk Level Soft Anti-Affinity",
        "Two replicas of a volume may be on one disk when there is no other way.",
    ),
    boolean(Name::ReplicaSoftAntiAffinity, "false").says(
        "Replica Node Level Soft Anti-Affinity",
        "Two replicas of a volume may be on one node when there is no other way.",
    ),
    boolean(Name::ReplicaZoneSoftAntiAffinity, "true").says(
        "Replica Zone Level Soft Anti-Affinity",
        "Two replicas of a volume may be in one zone when there is no other way.",
    ),
    int_between(Name::StorageMinimalAvailablePercentage, 0, 100, "25").says(
        "Storage Minimal Available Percentage",
        "No replicas are placed on a disk whose free space would fall under this part of its size.",
    ),
    int_from(Name::StorageOverProvisioningPercentage, 0, "100").says(
        "Storage Over Provisioning Percentage",
        "How much may be placed on a disk, as a part of its size without the reserved space.",
    ),
    int_between(Name::StorageReservedPercentageForDefaultDisk, 0, 100, "30").says(
        "Storage Reserved Percentage For Default Disk",
        "Part of a disk that is reserved for others when the default disk is made.",
    ),
];
