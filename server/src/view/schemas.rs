//! Types whose nouns do not describe themselves yet: see [`crate::nouns::schema`], which tells clients of all.
//!
//! One table. A field's flags are words: `create`, `update`, `required`, `unique`, `nullable`, `default=…`.

use aurochs_api::describe::Flags;

/// One type.
#[derive(Debug)]
pub struct Type {
    pub id: &'static str,
    pub fields: &'static [Field],
    pub actions: &'static [Action],
}

/// Name, type, flags.
pub type Field = (&'static str, &'static str, &'static str);
/// Name, type of the body, type of the answer; empty for none.
pub type Action = (&'static str, &'static str, &'static str);

impl Type {
    /// Flags of a field, by their words.
    #[must_use]
    pub fn flags(flags: &str) -> (Flags, Option<&str>) {
        let has = |flag: &str| flags.split(' ').any(|word| word == flag);
        let found = Flags {
            create: has("create"),
            update: has("update"),
            required: has("required"),
            unique: has("unique"),
            nullable: has("nullable"),
            ours: false,
        };
        (found, flags.split(' ').find_map(|word| word.strip_prefix("default=")))
    }
}

const fn row(id: &'static str, fields: &'static [Field]) -> Type {
    Type { id, fields, actions: &[] }
}

/// All types.
pub const TYPES: &[Type] = &[
    Type {
        id: "volume",
        fields: &[
            ("accessMode", "string", "create default=rwo"),
            ("backingImage", "string", "create"),
            ("backupBlockSize", "string", ""),
            ("backupCompressionMethod", "string", "create default=lz4"),
            ("backupStatus", "array[backupStatus]", ""),
            ("backupTargetName", "string", ""),
            ("cloneStatus", "cloneStatus", ""),
            ("conditions", "map[volumeCondition]", ""),
            ("controllers", "array[controller]", "nullable"),
            ("created", "string", ""),
            ("currentImage", "string", ""),
            ("dataEngine", "string", "create required default=v1"),
            ("dataLocality", "string", "create default=disabled"),
            ("dataSource", "string", "create"),
            ("disableFrontend", "bool", ""),
            ("diskSelector", "array[string]", "create"),
            ("encrypted", "bool", ""),
            ("freezeFilesystemForSnapshot", "string", ""),
            ("fromBackup", "string", "create"),
            ("frontend", "string", "create"),
            ("image", "string", ""),
            ("kubernetesStatus", "kubernetesStatus", ""),
            ("lastAttachedBy", "string", ""),
            ("lastBackup", "string", ""),
            ("lastBackupAt", "string", ""),
            ("migratable", "bool", ""),
            ("name", "string", "create required unique"),
            ("nodeSelector", "array[string]", "create"),
            ("notReadyMessage", "string", ""),
            ("numberOfReplicas", "int", "create required default=2"),
            ("offlineRebuilding", "string", ""),
            ("purgeStatus", "array[purgeStatus]", ""),
            ("ready", "bool", ""),
            ("rebuildStatus", "array[rebuildStatus]", ""),
            ("recurringJobSelector", "array[volumeRecurringJob]", "create"),
            ("replicaAutoBalance", "string", ""),
            ("replicaDiskSoftAntiAffinity", "string", "create required default=ignored"),
            ("replicaSoftAntiAffinity", "string", "create required default=ignored"),
            ("replicaZoneSoftAntiAffinity", "string", "create required default=ignored"),
            ("replicas", "array[replica]", ""),
            ("restoreInitiated", "bool", ""),
            ("restoreRequired", "bool", ""),
            ("restoreStatus", "array[restoreStatus]", ""),
            ("restoreVolumeRecurringJob", "string", ""),
            ("revisionCounterDisabled", "bool", "create required default=false"),
            ("robustness", "string", ""),
            ("shareEndpoint", "string", ""),
            ("shareState", "string", ""),
            ("size", "string", "create required default=100G"),
            ("snapshotDataIntegrity", "string", "create default=ignored"),
            ("snapshotMaxCount", "int", ""),
            ("snapshotMaxSize", "string", ""),
            ("staleReplicaTimeout", "int", "create default=2880"),
            ("standby", "bool", "create default=false"),
            ("state", "string", ""),
            ("unmapMarkSnapChainRemoved", "string", "create required default=ignored"),
            ("volumeAttachment", "volumeAttachment", ""),
            ("causes", "array[cause]", ""),
            ("snapshots", "array[snapshot]", ""),
            ("frontendInUse", "string", ""),
            ("frontendReason", "string", ""),
            ("nbdUri", "string", ""),
        ],
        actions: &[
            ("attach", "attachInput", "volume"),
            ("detach", "detachInput", "volume"),
            ("snapshotCreate", "snapshotInput", "snapshot"),
            ("snapshotGet", "snapshotInput", "snapshot"),
            ("snapshotList", "", "snapshotListOutput"),
            ("snapshotDelete", "snapshotInput", "volume"),
            ("snapshotRevert", "snapshotInput", "snapshot"),
            ("updateReplicaCount", "UpdateReplicaCountInput", ""),
            ("replicaRemove", "replicaRemoveInput", "volume"),
        ],
    },
    row(
        "replica",
        &[
            ("address", "string", ""),
            ("currentImage", "string", ""),
            ("dataEngine", "string", ""),
            ("dataPath", "string", ""),
            ("diskID", "string", ""),
            ("diskPath", "string", ""),
            ("failedAt", "string", ""),
            ("hostId", "string", ""),
            ("image", "string", ""),
            ("instanceManagerName", "string", ""),
            ("mode", "string", ""),
            ("name", "string", ""),
            ("running", "bool", ""),
        ],
    ),
    row(
        "controller",
        &[
            ("actualSize", "string", ""),
            ("address", "string", ""),
            ("currentImage", "string", ""),
            ("endpoint", "string", ""),
            ("hostId", "string", ""),
            ("image", "string", ""),
            ("instanceManagerName", "string", ""),
            ("isExpanding", "bool", ""),
            ("lastExpansionError", "string", ""),
            ("lastExpansionFailedAt", "string", ""),
            ("lastRestoredBackup", "string", ""),
            ("name", "string", ""),
            ("requestedBackupRestore", "string", ""),
            ("running", "bool", ""),
            ("size", "string", ""),
            ("unmapMarkSnapChainRemovedEnabled", "bool", ""),
        ],
    ),
    row(
        "kubernetesStatus",
        &[
            ("lastPVCRefAt", "string", ""),
            ("lastPodRefAt", "string", ""),
            ("namespace", "string", ""),
            ("pvName", "string", ""),
            ("pvStatus", "string", ""),
            ("pvcName", "string", ""),
            ("workloadsStatus", "array[workloadStatus]", ""),
        ],
    ),
    row(
        "workloadStatus",
        &[
            ("podName", "string", ""),
            ("podStatus", "string", ""),
            ("workloadName", "string", ""),
            ("workloadType", "string", ""),
        ],
    ),
    row(
        "cloneStatus",
        &[
            ("attemptCount", "int", ""),
            ("nextAllowedAttemptAt", "string", ""),
            ("snapshot", "string", ""),
            ("sourceVolume", "string", ""),
            ("state", "string", ""),
        ],
    ),
    row(
        "backupStatus",
        &[
            ("backupURL", "string", ""),
            ("error", "string", ""),
            ("id", "string", ""),
            ("progress", "int", ""),
            ("replica", "string", ""),
            ("size", "string", ""),
            ("snapshot", "string", ""),
            ("state", "string", ""),
        ],
    ),
    row(
        "restoreStatus",
        &[
            ("backupURL", "string", ""),
            ("error", "string", ""),
            ("filename", "string", ""),
            ("isRestoring", "bool", ""),
            ("lastRestored", "string", ""),
            ("progress", "int", ""),
            ("replica", "string", ""),
            ("state", "string", ""),
        ],
    ),
    row(
        "purgeStatus",
        &[
            ("error", "string", ""),
            ("isPurging", "bool", ""),
            ("progress", "int", ""),
            ("replica", "string", ""),
            ("state", "string", ""),
        ],
    ),
    row(
        "rebuildStatus",
        &[
            ("error", "string", ""),
            ("fromReplicaList", "array[string]", ""),
            ("isRebuilding", "bool", ""),
            ("progress", "int", ""),
            ("replica", "string", ""),
            ("state", "string", ""),
            ("plannedBytes", "int", ""),
            ("doneBytes", "int", ""),
            ("bytesPerSecond", "int", ""),
        ],
    ),
    Type {
        id: "volumeAttachment",
        fields: &[("attachments", "map[attachment]", ""), ("volume", "string", "")],
        actions: &[],
    },
    row(
        "attachment",
        &[
            ("attachmentID", "string", ""),
            ("attachmentType", "string", ""),
            ("conditions", "array[longhornCondition]", ""),
            ("nodeID", "string", ""),
            ("parameters", "map[string]", ""),
            ("satisfied", "bool", ""),
        ],
    ),
    row("volumeRecurringJob", &[("isGroup", "bool", ""), ("name", "string", "")]),
    row(
        "snapshot",
        &[
            ("checksum", "string", ""),
            ("children", "map[bool]", ""),
            ("created", "string", ""),
            ("labels", "map[string]", ""),
            ("name", "string", ""),
            ("parent", "string", ""),
            ("removed", "bool", ""),
            ("size", "string", ""),
            ("usercreated", "bool", ""),
        ],
    ),
    row(
        "volumeCondition",
        &[
            ("lastProbeTime", "string", ""),
            ("lastTransitionTime", "string", ""),
            ("message", "string", ""),
            ("reason", "string", ""),
            ("type", "string", ""),
            ("status", "string", ""),
        ],
    ),
    Type {
        id: "instanceManager",
        fields: &[
            ("currentState", "string", ""),
            ("dataEngine", "string", ""),
            ("image", "string", ""),
            ("instanceEngines", "map[string]", ""),
            ("instanceReplicas", "map[string]", ""),
            ("managerType", "string", ""),
            ("name", "string", ""),
            ("nodeID", "string", ""),
        ],
        actions: &[],
    },
    row(
        "instanceProcess",
        &[("state", "string", ""), ("address", "string", ""), ("pid", "int", ""), ("error", "string", "")],
    ),
    row(
        "longhornCondition",
        &[
            ("lastProbeTime", "string", ""),
            ("lastTransitionTime", "string", ""),
            ("message", "string", ""),
            ("reason", "string", ""),
            ("status", "string", ""),
            ("type", "string", ""),
        ],
    ),
    row("session", &[("user", "string", ""), ("version", "string", ""), ("cluster", "string", "")]),
    row(
        "attachInput",
        &[
            ("hostId", "string", ""),
            ("disableFrontend", "bool", ""),
            ("attachedBy", "string", ""),
            ("attacherType", "string", ""),
            ("attachmentID", "string", ""),
        ],
    ),
    row("detachInput", &[("attachmentID", "string", ""), ("hostId", "string", ""), ("forceDetach", "bool", "")]),
    row("snapshotInput", &[("name", "string", ""), ("labels", "map[string]", ""), ("backupMode", "string", "")]),
    row("snapshotListOutput", &[("data", "array[snapshot]", "")]),
    row("UpdateReplicaCountInput", &[("replicaCount", "int", "")]),
    row("replicaRemoveInput", &[("name", "string", "")]),
    row("error", &[("status", "int", ""), ("code", "string", ""), ("message", "string", ""), ("detail", "string", "")]),
    row("apiVersion", &[]),
    row("schema", &[]),
    row("empty", &[]),
];
