//! What can be done with a volume, and when.

use super::inputs::{
    ActivateInput, EngineUpgradeInput, ExpandInput, PvCreateInput, PvcCreateInput, ReplicaRemoveInput, SalvageInput,
    UpdateAccessModeInput, UpdateBackupCompressionInput, UpdateBackupTargetInput, UpdateDataLocalityInput,
    UpdateFreezeFilesystemForSnapshotInput, UpdateOfflineRebuildingInput, UpdateRebuildConcurrentSyncLimitInput,
    UpdateReplicaAutoBalanceInput, UpdateReplicaCountInput, UpdateReplicaDiskSoftAntiAffinityInput,
    UpdateReplicaRebuildingBandwidthLimitInput, UpdateReplicaSoftAntiAffinityInput,
    UpdateReplicaZoneSoftAntiAffinityInput, UpdateSnapshotDataIntegrityInput, UpdateSnapshotMaxCountInput,
    UpdateSnapshotMaxSizeInput, UpdateUblkNumberOfQueueInput, UpdateUblkQueueDepthInput,
    UpdateUnmapMarkSnapChainRemovedInput, VolumeRecurringJobInput,
};
use super::{RecurringJobRef, Robustness, Volume, VolumeState};
use crate::action::NoInput;
use crate::actions;
use crate::attachment::{AttachInput, DetachInput};
use crate::schema::{Collection, Empty, Resource};
use crate::snapshot::{Snapshot, SnapshotCr, SnapshotCrInput, SnapshotInput};

actions! { Volume {
    /// Puts a ticket that asks for the volume on a node.
    Attach = "attach"(AttachInput) -> Resource<Volume>;
    /// Takes a ticket back; the volume is detached when there is none left.
    Detach = "detach"(DetachInput) -> Resource<Volume>;
    /// Uses replicas that are not known to be whole, because there is nothing better.
    Salvage = "salvage"(SalvageInput) -> Resource<Volume> { offered: faulted };
    /// Makes a standby volume usable.
    Activate = "activate"(ActivateInput) -> Resource<Volume> { offered: settled };
    /// Makes the volume larger.
    Expand = "expand"(ExpandInput) -> Resource<Volume> { offered: settled };
    /// Takes back an expansion that has not begun.
    CancelExpansion = "cancelExpansion"(NoInput) -> Resource<Volume> { offered: settled_or_attaching };
    /// Whether replicas are rebuilt while the volume is detached.
    OfflineReplicaRebuilding = "offlineReplicaRebuilding"(UpdateOfflineRebuildingInput) -> Resource<Volume> {
        offered: settled_or_attaching
    };
    /// Gives blocks that the file system does not use any more back to the disks.
    TrimFilesystem = "trimFilesystem"(NoInput) -> Resource<Volume> { offered: attached };
    /// Merges away the layers of snapshots that were deleted.
    SnapshotPurge = "snapshotPurge"(NoInput) -> Resource<Volume> { offered: attached };
    /// Freezes what the volume holds now.
    SnapshotCreate = "snapshotCreate"(SnapshotInput) -> Resource<Snapshot> { offered: attached };
    SnapshotGet = "snapshotGet"(SnapshotInput) -> Resource<Snapshot> { offered: attached, reads: true };
    /// All layers, `volume-head` among them.
    SnapshotList = "snapshotList"(NoInput) -> Collection<Resource<Snapshot>> {
        schema_output: Some("snapshotListOutput"), offered: attached, reads: true
    };
    /// Marks a snapshot as removed; what stands on it keeps its content.
    SnapshotDelete = "snapshotDelete"(SnapshotInput) -> Resource<Volume> { offered: attached };
    /// The volume holds again what it held when the snapshot was taken. Answers with an empty body.
    SnapshotRevert = "snapshotRevert"(SnapshotInput) -> () { schema_output: Some("snapshot"), offered: attached };
    /// Backs a snapshot up.
    SnapshotBackup = "snapshotBackup"(SnapshotInput) -> Resource<Volume> { offered: not_faulted };
    /// Asks for a snapshot, attached or not.
    SnapshotCrCreate = "snapshotCRCreate"(SnapshotCrInput) -> Resource<SnapshotCr> { offered: not_faulted };
    SnapshotCrGet = "snapshotCRGet"(SnapshotCrInput) -> Resource<SnapshotCr> { offered: not_faulted, reads: true };
    SnapshotCrList = "snapshotCRList"(NoInput) -> Collection<Resource<SnapshotCr>> {
        schema_output: Some("snapshotCRListOutput"), offered: not_faulted, reads: true
    };
    SnapshotCrDelete = "snapshotCRDelete"(SnapshotCrInput) -> Resource<Empty> { offered: not_faulted };
    /// Lets the volume take part in a recurring job, or in a group of them. Answers with all that it takes part in.
    RecurringJobAdd = "recurringJobAdd"(VolumeRecurringJobInput) -> Collection<Resource<RecurringJobRef>> {
        schema_output: Some("volumeRecurringJob"), offered: settled_or_attaching
    };
    RecurringJobList = "recurringJobList"(NoInput) -> Collection<Resource<RecurringJobRef>> {
        schema_output: Some("volumeRecurringJob"), offered: settled_or_attaching, reads: true
    };
    RecurringJobDelete = "recurringJobDelete"(VolumeRecurringJobInput) -> Collection<Resource<RecurringJobRef>> {
        schema_output: Some("volumeRecurringJob"), offered: settled_or_attaching
    };
    /// How many copies of the data there are.
    UpdateReplicaCount = "updateReplicaCount"(UpdateReplicaCountInput) -> Resource<Volume> {
        schema_output: Some(""), offered: attached
    };
    UpdateReplicaAutoBalance = "updateReplicaAutoBalance"(UpdateReplicaAutoBalanceInput) -> Resource<Volume> {
        schema_input: Some("ReplicaAutoBalance"), schema_output: Some(""), offered: settled
    };
    /// How much is copied at the same time while a replica is rebuilt.
    UpdateRebuildConcurrentSyncLimit = "updateRebuildConcurrentSyncLimit"(UpdateRebuildConcurrentSyncLimitInput)
        -> Resource<Volume> { schema_output: Some(""), offered: settled };
    UpdateDataLocality = "updateDataLocality"(UpdateDataLocalityInput) -> Resource<Volume> {
        schema_output: Some(""), offered: settled
    };
    UpdateAccessMode = "updateAccessMode"(UpdateAccessModeInput) -> Resource<Volume> { offered: detached };
    UpdateSnapshotDataIntegrity = "updateSnapshotDataIntegrity"(UpdateSnapshotDataIntegrityInput) -> Resource<Volume> {
        schema_output: Some(""), offered: settled
    };
    UpdateSnapshotMaxCount = "updateSnapshotMaxCount"(UpdateSnapshotMaxCountInput) -> Resource<Volume> {
        schema_output: Some(""), offered: settled
    };
    UpdateSnapshotMaxSize = "updateSnapshotMaxSize"(UpdateSnapshotMaxSizeInput) -> Resource<Volume> {
        schema_output: Some(""), offered: settled
    };
    /// How fast a replica is rebuilt at most.
    UpdateReplicaRebuildingBandwidthLimit =
        "updateReplicaRebuildingBandwidthLimit"(UpdateReplicaRebuildingBandwidthLimitInput) -> Resource<Volume> {
        schema_output: Some(""), offered: settled
    };
    UpdateUblkQueueDepth = "updateUblkQueueDepth"(UpdateUblkQueueDepthInput) -> Resource<Volume> {
        schema_output: Some(""), offered: detached
    };
    UpdateUblkNumberOfQueue = "updateUblkNumberOfQueue"(UpdateUblkNumberOfQueueInput) -> Resource<Volume> {
        schema_output: Some(""), offered: detached
    };
    UpdateBackupCompressionMethod = "updateBackupCompressionMethod"(UpdateBackupCompressionInput) -> Resource<Volume> {
        schema_input: Some("UpdateBackupCompressionMethodInput"), schema_output: Some(""), offered: settled
    };
    /// Whether a trim also marks the snapshots below the head as removed, so that their blocks can go.
    UpdateUnmapMarkSnapChainRemoved = "updateUnmapMarkSnapChainRemoved"(UpdateUnmapMarkSnapChainRemovedInput)
        -> Resource<Volume> { schema_output: Some(""), offered: settled };
    /// Whether replicas may share a node.
    UpdateReplicaSoftAntiAffinity = "updateReplicaSoftAntiAffinity"(UpdateReplicaSoftAntiAffinityInput)
        -> Resource<Volume> { schema_output: Some(""), offered: settled };
    /// Whether replicas may share a zone.
    UpdateReplicaZoneSoftAntiAffinity = "updateReplicaZoneSoftAntiAffinity"(UpdateReplicaZoneSoftAntiAffinityInput)
        -> Resource<Volume> { schema_output: Some(""), offered: settled };
    /// Whether replicas may share a disk.
    UpdateReplicaDiskSoftAntiAffinity = "updateReplicaDiskSoftAntiAffinity"(UpdateReplicaDiskSoftAntiAffinityInput)
        -> Resource<Volume> { schema_output: Some(""), offered: settled };
    /// Whether the file system is frozen while a snapshot is taken.
    UpdateFreezeFilesystemForSnapshot = "updateFreezeFilesystemForSnapshot"(UpdateFreezeFilesystemForSnapshotInput)
        -> Resource<Volume> { schema_output: Some(""), offered: settled };
    UpdateBackupTargetName = "updateBackupTargetName"(UpdateBackupTargetInput) -> Resource<Volume> {
        schema_output: Some(""), offered: settled
    };
    PvCreate = "pvCreate"(PvCreateInput) -> Resource<Volume> { offered: settled };
    PvcCreate = "pvcCreate"(PvcCreateInput) -> Resource<Volume> { offered: settled };
    /// Longhorn describes it, and nobody can call it.
    JobList = "jobList"(NoInput) -> () { offered: never, routed: false };
    /// Gives up one copy; a new one is made if the volume wants more.
    ReplicaRemove = "replicaRemove"(ReplicaRemoveInput) -> Resource<Volume> { offered: settled };
    EngineUpgrade = "engineUpgrade"(EngineUpgradeInput) -> Resource<Volume> { schema_output: Some(""), offered: settled };
} }

// === when: a faulted volume can be attached, detached and salvaged, and nothing else ===

fn faulted(volume: &Volume) -> bool {
    volume.robustness == Robustness::Faulted
}

fn not_faulted(volume: &Volume) -> bool {
    !faulted(volume)
}

fn is_in(volume: &Volume, states: &[VolumeState]) -> bool {
    not_faulted(volume) && states.contains(&volume.state)
}

fn attached(volume: &Volume) -> bool {
    is_in(volume, &[VolumeState::Attached])
}

fn detached(volume: &Volume) -> bool {
    is_in(volume, &[VolumeState::Detached])
}

fn settled(volume: &Volume) -> bool {
    is_in(volume, &[VolumeState::Detached, VolumeState::Attached])
}

fn settled_or_attaching(volume: &Volume) -> bool {
    is_in(volume, &[VolumeState::Detached, VolumeState::Attaching, VolumeState::Attached])
}

const fn never(_: &Volume) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Acted, Action};

    fn offered(state: VolumeState, robustness: Robustness) -> Vec<&'static str> {
        let volume = Volume { state, robustness, ..Volume::default() };
        Volume::ACTIONS.iter().filter(|action| (action.offered)(&volume)).map(|action| action.name).collect()
    }

    const ALWAYS: [&str; 2] = ["attach", "detach"];
    const NOT_FAULTED: [&str; 5] =
        ["snapshotBackup", "snapshotCRCreate", "snapshotCRGet", "snapshotCRList", "snapshotCRDelete"];
    const SETTLED_OR_ATTACHING: [&str; 5] =
        ["cancelExpansion", "offlineReplicaRebuilding", "recurringJobAdd", "recurringJobList", "recurringJobDelete"];
    const ATTACHED: [&str; 8] = [
        "trimFilesystem",
        "snapshotPurge",
        "snapshotCreate",
        "snapshotGet",
        "snapshotList",
        "snapshotDelete",
        "snapshotRevert",
        "updateReplicaCount",
    ];
    const DETACHED: [&str; 3] = ["updateAccessMode", "updateUblkQueueDepth", "updateUblkNumberOfQueue"];
    const SETTLED: [&str; 20] = [
        "activate",
        "expand",
        "updateReplicaAutoBalance",
        "updateRebuildConcurrentSyncLimit",
        "updateDataLocality",
        "updateSnapshotDataIntegrity",
        "updateSnapshotMaxCount",
        "updateSnapshotMaxSize",
        "updateReplicaRebuildingBandwidthLimit",
        "updateBackupCompressionMethod",
        "updateUnmapMarkSnapChainRemoved",
        "updateReplicaSoftAntiAffinity",
        "updateReplicaZoneSoftAntiAffinity",
        "updateReplicaDiskSoftAntiAffinity",
        "updateFreezeFilesystemForSnapshot",
        "updateBackupTargetName",
        "pvCreate",
        "pvcCreate",
        "replicaRemove",
        "engineUpgrade",
    ];

    #[test]
    fn what_is_offered_in_which_state() {
        use VolumeState::{Attached, Attaching, Creating, Deleting, Detached, Detaching};
        for (state, classes) in [
            (Creating, &[&ALWAYS[..], &NOT_FAULTED][..]),
            (Detaching, &[&ALWAYS, &NOT_FAULTED]),
            (Deleting, &[&ALWAYS, &NOT_FAULTED]),
            (Attaching, &[&ALWAYS, &NOT_FAULTED, &SETTLED_OR_ATTACHING]),
            (Detached, &[&ALWAYS, &NOT_FAULTED, &SETTLED_OR_ATTACHING, &SETTLED, &DETACHED]),
            (Attached, &[&ALWAYS, &NOT_FAULTED, &SETTLED_OR_ATTACHING, &SETTLED, &ATTACHED]),
        ] {
            for robustness in [Robustness::Healthy, Robustness::Degraded, Robustness::Unknown] {
                let mut wanted = classes.concat();
                let mut found = offered(state, robustness);
                wanted.sort_unstable();
                found.sort_unstable();
                assert_eq!(found, wanted, "{state:?} {robustness:?}");
            }
            assert_eq!(offered(state, Robustness::Faulted), ["attach", "detach", "salvage"], "{state:?}");
        }
    }

    #[test]
    fn all_of_longhorns_actions_and_the_one_that_nobody_can_call() {
        assert_eq!(Volume::ACTIONS.len(), 45);
        let unrouted: Vec<&str> =
            Volume::ACTIONS.iter().filter(|action| !action.routed).map(|action| action.name).collect();
        assert_eq!(unrouted, ["jobList"]);
        assert!(!JobList::offered(&Volume::default()));
    }
}
