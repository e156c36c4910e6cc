//! The table of settings: Longhorn's names, types and defaults. Only what something here reads is in it; a row is
//! added together with its reader.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    Text,
    Bool,
    /// Both ends belong to the range.
    Int {
        minimum: i64,
        maximum: i64,
    },
}

/// One row.
#[derive(Debug)]
pub struct Definition {
    pub name: Name,
    pub display_name: &'static str,
    pub description: &'static str,
    pub category: &'static str,
    pub kind: ValueType,
    pub default: &'static str,
    pub options: &'static [&'static str],
    pub required: bool,
    pub read_only: bool,
    /// The value is a JSON object keyed `v1` and `v2`.
    pub per_engine: bool,
}

macro_rules! names {
    ($($variant:ident = $word:literal),* $(,)?) => {
        /// Names of settings, typed so that a misspelled one does not compile.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Name { $($variant),* }

        impl Name {
            /// As users write it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// Its row.
            #[must_use]
            pub fn definition(self) -> &'static Definition {
                match self { $(Self::$variant => &ROWS[Self::$variant as usize]),* }
            }
        }
    };
}

// In the order of the table below: a name's number is its row.
names! {
    AllowEmptyDiskSelectorVolume = "allow-empty-disk-selector-volume",
    AllowEmptyNodeSelectorVolume = "allow-empty-node-selector-volume",
    AllowVolumeCreationWithDegradedAvailability = "allow-volume-creation-with-degraded-availability",
    BackupCompressionMethod = "backup-compression-method",
    ConcurrentReplicaRebuildPerNodeLimit = "concurrent-replica-rebuild-per-node-limit",
    CurrentLonghornVersion = "current-longhorn-version",
    DefaultDataLocality = "default-data-locality",
    DefaultReplicaCount = "default-replica-count",
    DisableRevisionCounter = "disable-revision-counter",
    ReplicaDiskSoftAntiAffinity = "replica-disk-soft-anti-affinity",
    ReplicaReplenishmentWaitInterval = "replica-replenishment-wait-interval",
    ReplicaSoftAntiAffinity = "replica-soft-anti-affinity",
    ReplicaZoneSoftAntiAffinity = "replica-zone-soft-anti-affinity",
    SnapshotMaxCount = "snapshot-max-count",
    StorageMinimalAvailablePercentage = "storage-minimal-available-percentage",
    StorageOverProvisioningPercentage = "storage-over-provisioning-percentage",
    StorageReservedPercentageForDefaultDisk = "storage-reserved-percentage-for-default-disk",
}

const ANY: ValueType = ValueType::Int { minimum: 0, maximum: i64::MAX };
const PERCENT: ValueType = ValueType::Int { minimum: 0, maximum: 100 };

const fn row(
    name: Name,
    category: &'static str,
    kind: ValueType,
    default: &'static str,
    display_name: &'static str,
    description: &'static str,
) -> Definition {
    Definition {
        name,
        display_name,
        description,
        category,
        kind,
        default,
        options: &[],
        required: true,
        read_only: false,
        per_engine: false,
    }
}

const fn per_engine(row: Definition) -> Definition {
    Definition { per_engine: true, ..row }
}

const fn one_of(row: Definition, options: &'static [&'static str]) -> Definition {
    Definition { options, ..row }
}

/// All settings.
pub const DEFINITIONS: &[Definition] = ROWS;

const ROWS: &[Definition] = &[
    row(
        Name::AllowEmptyDiskSelectorVolume,
        "scheduling",
        ValueType::Bool,
        "true",
        "Allow Scheduling Empty Disk Selector Volumes To Any Disk",
        "Volumes without a disk selector may use disks that have tags.",
    ),
    row(
        Name::AllowEmptyNodeSelectorVolume,
        "scheduling",
        ValueType::Bool,
        "true",
        "Allow Scheduling Empty Node Selector Volumes To Any Node",
        "Volumes without a node selector may use nodes that have tags.",
    ),
    row(
        Name::AllowVolumeCreationWithDegradedAvailability,
        "scheduling",
        ValueType::Bool,
        "true",
        "Allow Volume Creation with Degraded Availability",
        "A volume may be used although not all of its replicas have a place yet.",
    ),
    one_of(
        row(
            Name::BackupCompressionMethod,
            "backup",
            ValueType::Text,
            "lz4",
            "Backup Compression Method",
            "How the backups of new volumes are compressed.",
        ),
        &["none", "lz4", "gzip"],
    ),
    row(
        Name::ConcurrentReplicaRebuildPerNodeLimit,
        "danger Zone",
        ANY,
        "5",
        "Concurrent Replica Rebuild Per Node Limit",
        "How many replicas may be rebuilt on one node at the same time; 0 stops all rebuilding.",
    ),
    Definition {
        read_only: true,
        ..row(
            Name::CurrentLonghornVersion,
            "system info",
            ValueType::Text,
            env!("CARGO_PKG_VERSION"),
            "Current Longhorn Version",
            "The version that runs.",
        )
    },
    one_of(
        row(
            Name::DefaultDataLocality,
            "general",
            ValueType::Text,
            "disabled",
            "Default Data Locality",
            "Data locality of volumes that don't say.",
        ),
        &["disabled", "best-effort", "strict-local"],
    ),
    per_engine(row(
        Name::DefaultReplicaCount,
        "general",
        ValueType::Int { minimum: 1, maximum: 20 },
        r#"{"v1":"3","v2":"3"}"#,
        "Default Replica Count",
        "Number of replicas of volumes that don't say.",
    )),
    per_engine(row(
        Name::DisableRevisionCounter,
        "general",
        ValueType::Bool,
        r#"{"v1":"true"}"#,
        "Disable Revision Counter",
        "New volumes keep no revision counter file.",
    )),
    row(
        Name::ReplicaDiskSoftAntiAffinity,
        "scheduling",
        ValueType::Bool,
        "true",
        "Replica Disk Level Soft Anti-Affinity",
        "Two replicas of a volume may be on one disk when there is no other way.",
    ),
    row(
        Name::ReplicaReplenishmentWaitInterval,
        "general",
        ANY,
        "600",
        "Replica Replenishment Wait Interval",
        "Seconds to wait for a failed replica to come back before a new one is made elsewhere.",
    ),
    row(
        Name::ReplicaSoftAntiAffinity,
        "scheduling",
        ValueType::Bool,
        "false",
        "Replica Node Level Soft Anti-Affinity",
        "Two replicas of a volume may be on one node when there is no other way.",
    ),
    row(
        Name::ReplicaZoneSoftAntiAffinity,
        "scheduling",
        ValueType::Bool,
        "true",
        "Replica Zone Level Soft Anti-Affinity",
        "Two replicas of a volume may be in one zone when there is no other way.",
    ),
    row(
        Name::SnapshotMaxCount,
        "snapshot",
        ValueType::Int { minimum: 2, maximum: 250 },
        "250",
        "Snapshot Maximum Count",
        "How many snapshots a volume may have when it doesn't say.",
    ),
    row(
        Name::StorageMinimalAvailablePercentage,
        "scheduling",
        PERCENT,
        "25",
        "Storage Minimal Available Percentage",
        "No replicas are placed on a disk whose free space would fall under this part of its size.",
    ),
    row(
        Name::StorageOverProvisioningPercentage,
        "scheduling",
        ANY,
        "100",
        "Storage Over Provisioning Percentage",
        "How much may be placed on a disk, as a part of its size without the reserved space.",
    ),
    row(
        Name::StorageReservedPercentageForDefaultDisk,
        "scheduling",
        PERCENT,
        "30",
        "Storage Reserved Percentage For Default Disk",
        "Part of a disk that is reserved for others when the default disk is made.",
    ),
];
