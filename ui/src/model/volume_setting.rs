//! What of a volume can be changed in place: one row a setting, with its names on the wire, its words, its present value
//! and what may be typed. The volume's page changes one at a time, the dialog several, also of many volumes.

use aurochs_api::action::{Action as _, Offer};
use aurochs_api::size::ByteSize;
use aurochs_api::volume::actions::{
    OfflineReplicaRebuilding, UpdateAccessMode, UpdateBackupCompressionMethod, UpdateBackupTargetName,
    UpdateDataLocality, UpdateFreezeFilesystemForSnapshot, UpdateRebuildConcurrentSyncLimit, UpdateReplicaAutoBalance,
    UpdateReplicaCount, UpdateReplicaDiskSoftAntiAffinity, UpdateReplicaRebuildingBandwidthLimit,
    UpdateReplicaSoftAntiAffinity, UpdateReplicaZoneSoftAntiAffinity, UpdateSnapshotDataIntegrity,
    UpdateSnapshotMaxCount, UpdateSnapshotMaxSize, UpdateUnmapMarkSnapChainRemoved,
};
use aurochs_api::volume::phase::Phase;
use aurochs_api::volume::{Robustness, Volume, VolumeState};

use super::action::Refusal;

/// Under which heading it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Replicas,
    Snapshots,
    Backups,
    Use,
}

impl Group {
    pub(crate) const ALL: [Self; 4] = [Self::Replicas, Self::Snapshots, Self::Backups, Self::Use];
}

/// What its value can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One of these words of the wire.
    Words(&'static [&'static str]),
    /// A number in this range; with `or_zero`, 0 is let pass too and follows the setting of the installation.
    Number { least: u64, most: u64, or_zero: bool },
    /// Bytes; 0 for no limit.
    Size,
    /// The name of a backup target.
    BackupTarget,
}

/// One thing that can be changed.
pub(crate) struct VolumeSetting {
    /// Name of the action: `updateReplicaCount`.
    pub(crate) action: &'static str,
    /// The manager's own rule.
    offered: fn(&Volume) -> bool,
    /// The body's only field.
    pub(crate) field: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) group: Group,
    pub(crate) kind: Kind,
    /// The value as it is on the wire, numbers and bytes in digits.
    pub(crate) present: fn(&Volume) -> String,
}

const OVERRIDE: Kind = Kind::Words(&["ignored", "enabled", "disabled"]);
const MEGABYTES_A_SECOND_MOST: u64 = 1_000_000;

const fn named<A>(offer: &Offer<A>) -> &'static str {
    offer.name
}

/// All, in the order in which they are shown.
pub(crate) static SETTINGS: &[VolumeSetting] = &[
    VolumeSetting {
        action: named(&UpdateReplicaCount::OFFER),
        offered: UpdateReplicaCount::OFFER.offered,
        field: "replicaCount",
        label: "Replicas",
        hint: "Copies of the data, each on a node of its own where there are enough",
        group: Group::Replicas,
        kind: Kind::Number { least: 1, most: 20, or_zero: false },
        present: |volume| volume.number_of_replicas.to_string(),
    },
    VolumeSetting {
        action: named(&UpdateDataLocality::OFFER),
        offered: UpdateDataLocality::OFFER.offered,
        field: "dataLocality",
        label: "Data locality",
        hint: "Whether a replica is to be on the node where the volume is attached",
        group: Group::Replicas,
        kind: Kind::Words(&["disabled", "best-effort", "strict-local"]),
        present: |volume| volume.data_locality.word().to_owned(),
    },
    VolumeSetting {
        action: named(&UpdateReplicaAutoBalance::OFFER),
        offered: UpdateReplicaAutoBalance::OFFER.offered,
        field: "replicaAutoBalance",
        label: "Auto balance",
        hint: "Whether replicas move to even out the nodes",
        group: Group::Replicas,
        kind: Kind::Words(&["ignored", "disabled", "least-effort", "best-effort"]),
        present: |volume| volume.replica_auto_balance.word().to_owned(),
    },
    VolumeSetting {
        action: named(&UpdateReplicaSoftAntiAffinity::OFFER),
        offered: UpdateReplicaSoftAntiAffinity::OFFER.offered,
        field: "replicaSoftAntiAffinity",
        label: "Replicas may share a node",
        hint: "Soft anti-affinity: on, a second replica goes to the same node rather than nowhere",
        group: Group::Replicas,
        kind: OVERRIDE,
        present: |volume| volume.replica_soft_anti_affinity.word().to_owned(),
    },
    VolumeSetting {
        action: named(&UpdateReplicaZoneSoftAntiAffinity::OFFER),
        offered: UpdateReplicaZoneSoftAntiAffinity::OFFER.offered,
        field: "replicaZoneSoftAntiAffinity",
        label: "Replicas may share a zone",
        hint: "Soft anti-affinity of zones",
        group: Group::Replicas,
        kind: OVERRIDE,
        present: |volume| volume.replica_zone_soft_anti_affinity.word().to_owned(),
    },
    VolumeSetting {
        action: named(&UpdateReplicaDiskSoftAntiAffinity::OFFER),
        offered: UpdateReplicaDiskSoftAntiAffinity::OFFER.offered,
        field: "replicaDiskSoftAntiAffinity",
        label: "Replicas may share a disk",
        hint: "Soft anti-affinity of disks: counts where replicas share a node",
        group: Group::Replicas,
        kind: OVERRIDE,
        present: |volume| volume.replica_disk_soft_anti_affinity.word().to_owned(),
    },
    VolumeSetting {
        action: named(&OfflineReplicaRebuilding::OFFER),
        offered: OfflineReplicaRebuilding::OFFER.offered,
        field: "offlineRebuilding",
        label: "Offline rebuilding",
        hint: "Whether missing replicas are made while nobody uses the volume",
        group: Group::Replicas,
        kind: OVERRIDE,
        present: |volume| volume.offline_rebuilding.word().to_owned(),
    },
    VolumeSetting {
        action: named(&UpdateRebuildConcurrentSyncLimit::OFFER),
        offered: UpdateRebuildConcurrentSyncLimit::OFFER.offered,
        field: "rebuildConcurrentSyncLimit",
        label: "Files copied at once in a rebuild",
        hint: "From 1 to 5; 0 follows the setting",
        group: Group::Replicas,
        kind: Kind::Number { least: 1, most: 5, or_zero: true },
        present: |volume| volume.rebuild_concurrent_sync_limit.to_string(),
    },
    VolumeSetting {
        action: named(&UpdateReplicaRebuildingBandwidthLimit::OFFER),
        offered: UpdateReplicaRebuildingBandwidthLimit::OFFER.offered,
        field: "replicaRebuildingBandwidthLimit",
        label: "Rebuild speed, MB/s at most",
        hint: "Megabytes a second; 0 follows the setting",
        group: Group::Replicas,
        kind: Kind::Number { least: 1, most: MEGABYTES_A_SECOND_MOST, or_zero: true },
        present: |volume| volume.replica_rebuilding_bandwidth_limit.to_string(),
    },
    VolumeSetting {
        action: named(&UpdateSnapshotDataIntegrity::OFFER),
        offered: UpdateSnapshotDataIntegrity::OFFER.offered,
        field: "snapshotDataIntegrity",
        label: "Snapshot data integrity",
        hint: "Whether disks are asked now and then if they still return what snapshots hold",
        group: Group::Snapshots,
        kind: Kind::Words(&["ignored", "disabled", "enabled", "fast-check"]),
        present: |volume| volume.snapshot_data_integrity.word().to_owned(),
    },
    VolumeSetting {
        action: named(&UpdateSnapshotMaxCount::OFFER),
        offered: UpdateSnapshotMaxCount::OFFER.offered,
        field: "snapshotMaxCount",
        label: "Snapshots at most",
        hint: "From 2 to 250; those beyond stay, and there are no new ones",
        group: Group::Snapshots,
        kind: Kind::Number { least: 2, most: 250, or_zero: false },
        present: |volume| volume.snapshot_max_count.to_string(),
    },
    VolumeSetting {
        action: named(&UpdateSnapshotMaxSize::OFFER),
        offered: UpdateSnapshotMaxSize::OFFER.offered,
        field: "snapshotMaxSize",
        label: "Space of snapshots at most",
        hint: "At least twice the volume's size; 0 for no limit",
        group: Group::Snapshots,
        kind: Kind::Size,
        present: |volume| volume.snapshot_max_size.bytes().to_string(),
    },
    VolumeSetting {
        action: named(&UpdateFreezeFilesystemForSnapshot::OFFER),
        offered: UpdateFreezeFilesystemForSnapshot::OFFER.offered,
        field: "freezeFilesystemForSnapshot",
        label: "Freeze the file system for snapshots",
        hint: "Writes wait for the moment in which a snapshot is taken",
        group: Group::Snapshots,
        kind: OVERRIDE,
        present: |volume| volume.freeze_filesystem_for_snapshot.word().to_owned(),
    },
    VolumeSetting {
        action: named(&UpdateUnmapMarkSnapChainRemoved::OFFER),
        offered: UpdateUnmapMarkSnapChainRemoved::OFFER.offered,
        field: "unmapMarkSnapChainRemoved",
        label: "A trim removes snapshots",
        hint: "On, trimming marks the snapshots below the head as deleted, so that their space comes back too",
        group: Group::Snapshots,
        kind: OVERRIDE,
        present: |volume| volume.unmap_mark_snap_chain_removed.word().to_owned(),
    },
    VolumeSetting {
        action: named(&UpdateBackupTargetName::OFFER),
        offered: UpdateBackupTargetName::OFFER.offered,
        field: "backupTargetName",
        label: "Backup target",
        hint: "Where new backups go; those that there are stay where they are",
        group: Group::Backups,
        kind: Kind::BackupTarget,
        present: |volume| volume.backup_target_name.clone(),
    },
    VolumeSetting {
        action: named(&UpdateBackupCompressionMethod::OFFER),
        offered: UpdateBackupCompressionMethod::OFFER.offered,
        field: "backupCompressionMethod",
        label: "Compression of backups",
        hint: "Of the blocks that are sent from now on",
        group: Group::Backups,
        kind: Kind::Words(&["lz4", "gzip", "none"]),
        present: |volume| volume.backup_compression_method.word().to_owned(),
    },
    VolumeSetting {
        action: named(&UpdateAccessMode::OFFER),
        offered: UpdateAccessMode::OFFER.offered,
        field: "accessMode",
        label: "Access mode",
        hint: "Who may use the volume at a time",
        group: Group::Use,
        kind: Kind::Words(&["rwo", "rwop"]),
        present: |volume| volume.access_mode.word().to_owned(),
    },
];

impl VolumeSetting {
    /// Why it can't be changed now.
    pub(crate) fn refusal(&self, volume: &Volume) -> Option<Refusal> {
        if (self.offered)(volume) {
            // Longhorn's rule: a claim that was made for one mode keeps it.
            let claimed = self.action == UpdateAccessMode::OFFER.name && !volume.kubernetes_status.pv_name.is_empty();
            return claimed.then_some(Refusal::HasPersistentVolume);
        }
        Some(match volume.state {
            _ if volume.robustness == Robustness::Faulted => Refusal::NoUsableReplica,
            VolumeState::Attached => Refusal::DetachFirst,
            VolumeState::Detached => Refusal::NotAttached,
            _ => Refusal::Busy(Phase::of(volume)),
        })
    }

    /// The body's value for what was typed or chosen; the error says what is wrong, as a key of words.
    pub(crate) fn read(&self, typed: &str) -> Result<serde_json::Value, Wrong> {
        let typed = typed.trim();
        match self.kind {
            Kind::Words(words) if words.contains(&typed) => Ok(typed.into()),
            Kind::BackupTarget if !typed.is_empty() => Ok(typed.into()),
            Kind::Words(_) | Kind::BackupTarget => Err(Wrong::Choose),
            Kind::Number { least, most, or_zero } => match typed.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) || (or_zero && number == 0) => Ok(number.into()),
                _ => Err(Wrong::Range { least: if or_zero { 0 } else { least }, most }),
            },
            Kind::Size => typed.parse::<ByteSize>().map(|size| size.bytes().into()).map_err(|_| Wrong::Size),
        }
    }
}

/// What is wrong with what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Choose,
    Range { least: u64, most: u64 },
    Size,
}

/// Bytes as people type them, without loss: `10Gi`, or plain digits where no unit divides them.
pub(crate) fn quantity(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    let unit = UNITS.iter().find(|(_, scale)| bytes > 0 && bytes.is_multiple_of(*scale));
    unit.map_or_else(|| bytes.to_string(), |(unit, scale)| format!("{}{unit}", bytes / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_action(action: &str) -> &'static VolumeSetting {
        SETTINGS.iter().find(|setting| setting.action == action).unwrap()
    }

    #[test]
    fn the_present_value_of_a_new_volume_can_be_given_back() {
        let volume = Volume {
            number_of_replicas: 3,
            snapshot_max_count: 250,
            backup_target_name: "default".into(),
            ..Volume::default()
        };
        for setting in SETTINGS {
            let present = (setting.present)(&volume);
            assert!(setting.read(&present).is_ok(), "{}: {present}", setting.action);
            assert!(setting.read("?").is_err() || setting.kind == Kind::BackupTarget, "{}", setting.action);
        }
    }

    #[test]
    fn what_the_manager_does_not_offer_has_a_reason() {
        let count = of_action("updateReplicaCount");
        let mode = of_action("updateAccessMode");
        let detached = Volume { state: VolumeState::Detached, ..Volume::default() };
        assert_eq!((count.refusal(&detached), mode.refusal(&detached)), (Some(Refusal::NotAttached), None));
        let attached = Volume { state: VolumeState::Attached, ..Volume::default() };
        assert_eq!((count.refusal(&attached), mode.refusal(&attached)), (None, Some(Refusal::DetachFirst)));
        let faulted = Volume { robustness: Robustness::Faulted, ..detached };
        assert_eq!(mode.refusal(&faulted), Some(Refusal::NoUsableReplica));
    }

    #[test]
    fn numbers_keep_their_range() {
        let limit = of_action("updateRebuildConcurrentSyncLimit");
        assert_eq!(limit.read("0"), Ok(0.into()));
        assert_eq!(limit.read("6"), Err(Wrong::Range { least: 0, most: 5 }));
        let count = of_action("updateReplicaCount");
        assert_eq!(count.read("0"), Err(Wrong::Range { least: 1, most: 20 }));
    }

    #[test]
    fn sizes_come_back_without_loss() {
        for bytes in [0, 1, 10 << 30, (10 << 30) + 512, 3 << 40] {
            assert_eq!(quantity(bytes).parse::<ByteSize>(), Ok(ByteSize(bytes)));
        }
        assert_eq!(quantity(10 << 30), "10Gi");
    }
}
