//! The types of the API as clients learn them: Python's and Go's Longhorn clients make their methods from this.
//!
//! One table. A field's flags are words: `create`, `update`, `required`, `unique`, `nullable`, `default=…`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::envelope::plural;

/// One type.
#[derive(Debug)]
pub struct Type {
    pub id: &'static str,
    /// Methods of the collection's address, separated by blanks.
    pub collection: &'static str,
    /// Methods of a thing's own address.
    pub resource: &'static str,
    pub fields: &'static [Field],
    pub actions: &'static [Action],
    /// Whether it is reached at an address of its own.
    pub listed: bool,
}

/// Name, type, flags.
type Field = (&'static str, &'static str, &'static str);
/// Name, type of the body, type of the answer; empty for none.
type Action = (&'static str, &'static str, &'static str);

/// A type as it goes to clients.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    id: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    links: BTreeMap<&'static str, String>,
    actions: BTreeMap<String, String>,
    plural_name: String,
    resource_methods: Vec<&'static str>,
    collection_methods: Vec<&'static str>,
    resource_fields: BTreeMap<&'static str, FieldSchema>,
    resource_actions: BTreeMap<&'static str, ActionSchema>,
}

/// Flags that are off are left out.
#[derive(Debug, Default, Serialize)]
struct FieldSchema {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'static str>,
    #[serde(skip_serializing_if = "is_off")]
    create: bool,
    #[serde(skip_serializing_if = "is_off")]
    update: bool,
    #[serde(skip_serializing_if = "is_off")]
    required: bool,
    #[serde(skip_serializing_if = "is_off")]
    unique: bool,
    #[serde(skip_serializing_if = "is_off")]
    nullable: bool,
}

#[derive(Debug, Serialize)]
struct ActionSchema {
    #[serde(skip_serializing_if = "str::is_empty")]
    input: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    output: &'static str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_off(flag: &bool) -> bool {
    !*flag
}

/// Every resource has these.
const HEADER: [Field; 4] =
    [("id", "string", ""), ("type", "string", ""), ("links", "map[string]", ""), ("actions", "map[string]", "")];

impl Type {
    /// As it goes to a client that knows us at `base`.
    #[must_use]
    pub fn schema(&self, base: &str) -> Schema {
        let links = [
            ("self", format!("{base}/v1/schemas/{}", self.id)),
            ("collection", format!("{base}/v1/{}", plural(self.id))),
        ];
        Schema {
            id: self.id,
            kind: "schema",
            links: links.into(),
            actions: BTreeMap::new(),
            plural_name: self.plural_name(),
            resource_methods: self.resource.split(' ').collect(),
            collection_methods: self.collection.split(' ').collect(),
            resource_fields: HEADER.iter().chain(self.fields).map(|field| (field.0, field_schema(field))).collect(),
            resource_actions: self
                .actions
                .iter()
                .map(|&(name, input, output)| (name, ActionSchema { input, output }))
                .collect(),
        }
    }

    fn plural_name(&self) -> String {
        let ending = plural(self.id).len() - self.id.len();
        format!("{}{}", self.id, if ending == 2 { "es" } else { "s" })
    }
}

fn field_schema(&(_, kind, flags): &Field) -> FieldSchema {
    let has = |flag: &str| flags.split(' ').any(|word| word == flag);
    FieldSchema {
        kind,
        default: flags.split(' ').find_map(|word| word.strip_prefix("default=")),
        create: has("create"),
        update: has("update"),
        required: has("required"),
        unique: has("unique"),
        nullable: has("nullable"),
    }
}

/// Plural names of the types that have a collection of their own.
pub fn collections() -> impl Iterator<Item = String> {
    TYPES.iter().filter(|row| row.listed).map(Type::plural_name)
}

const fn row(id: &'static str, fields: &'static [Field]) -> Type {
    Type { id, collection: "GET", resource: "GET", fields, actions: &[], listed: false }
}

/// All types.
pub const TYPES: &[Type] = &[
    Type {
        id: "volume",
        collection: "GET POST",
        resource: "GET DELETE",
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
        listed: true,
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
        collection: "GET",
        resource: "GET",
        fields: &[("attachments", "map[attachment]", ""), ("volume", "string", "")],
        actions: &[],
        listed: true,
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
    Type {
        id: "setting",
        collection: "GET",
        resource: "GET PUT",
        fields: &[
            ("applied", "bool", ""),
            ("definition", "settingDefinition", ""),
            ("name", "string", "required unique"),
            ("value", "string", "update required"),
        ],
        actions: &[],
        listed: true,
    },
    row(
        "settingDefinition",
        &[
            ("category", "string", ""),
            ("dataEngineSpecific", "bool", ""),
            ("default", "string", ""),
            ("description", "string", ""),
            ("displayName", "string", ""),
            ("floatRange", "map[string]", ""),
            ("options", "array[string]", ""),
            ("range", "map[string]", ""),
            ("readOnly", "bool", ""),
            ("required", "bool", ""),
        ],
    ),
    Type {
        id: "node",
        collection: "GET",
        resource: "GET PUT",
        fields: &[
            ("address", "string", ""),
            ("allowScheduling", "bool", "required"),
            ("autoEvicting", "bool", ""),
            ("conditions", "map[nodeCondition]", ""),
            ("disks", "map[diskInfo]", "nullable"),
            ("evictionRequested", "bool", "required"),
            ("instanceManagerCPURequest", "int", ""),
            ("name", "string", ""),
            ("region", "string", ""),
            ("tags", "array[string]", "create"),
            ("zone", "string", ""),
            ("causes", "array[cause]", ""),
            ("frontends", "array[frontendOffer]", ""),
        ],
        actions: &[("diskUpdate", "diskUpdateInput", "node")],
        listed: true,
    },
    row(
        "diskInfo",
        &[
            ("allowScheduling", "bool", ""),
            ("conditions", "map[diskCondition]", ""),
            ("diskDriver", "string", ""),
            ("diskType", "string", ""),
            ("diskUUID", "string", ""),
            ("evictionRequested", "bool", ""),
            ("healthData", "map[string]", ""),
            ("healthDataLastCollectedAt", "string", ""),
            ("path", "string", ""),
            ("scheduledBackingImage", "map[string]", ""),
            ("scheduledReplica", "map[string]", ""),
            ("storageAvailable", "int", ""),
            ("storageMaximum", "int", ""),
            ("storageReserved", "int", ""),
            ("storageScheduled", "int", ""),
            ("tags", "array[string]", ""),
            ("causes", "array[cause]", ""),
        ],
    ),
    row(
        "diskUpdate",
        &[
            ("allowScheduling", "bool", ""),
            ("diskDriver", "string", ""),
            ("diskType", "string", ""),
            ("evictionRequested", "bool", ""),
            ("path", "string", ""),
            ("storageReserved", "int", ""),
            ("tags", "array[string]", ""),
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
        collection: "GET",
        resource: "GET",
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
        listed: true,
    },
    row(
        "instanceProcess",
        &[("state", "string", ""), ("address", "string", ""), ("pid", "int", ""), ("error", "string", "")],
    ),
    row(
        "nodeCondition",
        &[
            ("lastProbeTime", "string", ""),
            ("lastTransitionTime", "string", ""),
            ("message", "string", ""),
            ("reason", "string", ""),
            ("status", "string", ""),
            ("type", "string", ""),
        ],
    ),
    row(
        "diskCondition",
        &[
            ("lastProbeTime", "string", ""),
            ("lastTransitionTime", "string", ""),
            ("message", "string", ""),
            ("reason", "string", ""),
            ("status", "string", ""),
            ("type", "string", ""),
        ],
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
    row(
        "cause",
        &[
            ("code", "string", ""),
            ("severity", "string", ""),
            ("message", "string", ""),
            ("nextStep", "string", ""),
            ("objects", "array[string]", ""),
        ],
    ),
    row("frontendOffer", &[("kind", "string", ""), ("available", "bool", ""), ("reason", "string", "")]),
    row("session", &[("user", "string", ""), ("version", "string", ""), ("cluster", "string", "")]),
    row(
        "attachInput",
        &[
            ("hostId", "string", "required"),
            ("disableFrontend", "bool", ""),
            ("attachedBy", "string", ""),
            ("attacherType", "string", ""),
            ("attachmentID", "string", ""),
        ],
    ),
    row("detachInput", &[("attachmentID", "string", ""), ("hostId", "string", ""), ("forceDetach", "bool", "")]),
    row("snapshotInput", &[("name", "string", ""), ("labels", "map[string]", ""), ("backupMode", "string", "")]),
    row("snapshotListOutput", &[("data", "array[snapshot]", "")]),
    row("UpdateReplicaCountInput", &[("replicaCount", "int", "required")]),
    row("replicaRemoveInput", &[("name", "string", "required")]),
    row("diskUpdateInput", &[("disks", "array[diskUpdate]", "")]),
    row("error", &[("status", "int", ""), ("code", "string", ""), ("message", "string", ""), ("detail", "string", "")]),
    row("apiVersion", &[]),
    Type { id: "schema", collection: "GET", resource: "GET", fields: &[], actions: &[], listed: true },
    row("empty", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_type_is_described() {
        let known = |kind: &str| {
            let inner = kind.trim_start_matches("array[").trim_start_matches("map[").trim_end_matches(']');
            matches!(inner, "string" | "int" | "bool" | "float") || TYPES.iter().any(|row| row.id == inner)
        };
        for row in TYPES {
            for (field, kind, _) in row.fields {
                assert!(known(kind), "{}.{field}: {kind}", row.id);
            }
            for (action, input, output) in row.actions {
                assert!([input, output].iter().all(|kind| kind.is_empty() || known(kind)), "{}.{action}", row.id);
            }
        }
    }

    #[test]
    fn flags_that_are_off_are_left_out() {
        let volume = TYPES.iter().find(|row| row.id == "volume").unwrap();
        let json = serde_json::to_value(volume.schema("http://m")).unwrap();
        assert_eq!(json["links"]["collection"], "http://m/v1/volumes");
        assert_eq!(json["collectionMethods"], serde_json::json!(["GET", "POST"]));
        assert_eq!(json["resourceFields"]["ready"], serde_json::json!({"type": "bool"}));
        assert_eq!(json["resourceFields"]["name"]["unique"], true);
        assert_eq!(json["resourceActions"]["snapshotList"], serde_json::json!({"output": "snapshotListOutput"}));
    }
}
