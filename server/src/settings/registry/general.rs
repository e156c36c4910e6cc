//! Volumes, nodes and the manager itself.

use super::Name;
use crate::feature::Feature;
use crate::settings::Form;
use crate::settings::definition::{Definition, boolean, int, int_between, int_from, text};

pub(super) const ROWS: &[Definition] = &[
    boolean(Name::AllowCollectingLonghornUsageMetrics, "true").true_already(&["false"]).later(Feature::UpgradeCheck).says(
        "Allow Collecting Longhorn Usage Metrics",
        "Whether an upgrade check tells how the system is used. Nothing is sent to anybody, whatever stands here.",
    ),
    boolean(Name::AllowLiveEngineUpgradeOnSameImageCommit, "false").later(Feature::LiveUpgrade).says(
        "Allow Live Engine Upgrade On Same Image Commit",
        "An attached volume's engine may be exchanged for one that was built from the same source.",
    ),
    boolean(Name::AutoSalvage, "true").says(
        "Automatic Salvage",
        "A volume all of whose replicas failed is started again from those that have every acknowledged write, as soon as \
         one of them can be used. Off: it stays faulted until a person salvages it.",
    ),
    int_from(Name::BackingImageCleanupWaitInterval, 0, "60")
        .says("Backing Image Cleanup Wait Interval", "Minutes for which a copy that nobody uses stays on a disk."),
    int_from(Name::BackingImageRecoveryWaitInterval, 0, "300").says(
        "Backing Image Recovery Wait Interval",
        "Seconds before a backing image all of whose copies failed is fetched again.",
    ),
    int_from(Name::ConcurrentAutomaticEngineUpgradePerNodeLimit, 0, "0").later(Feature::LiveUpgrade).says(
        "Concurrent Automatic Engine Upgrade Per Node Limit",
        "How many engines on a node are upgraded at the same time without being asked to; 0 upgrades none.",
    ),
    int_from(Name::ConcurrentVolumeBackupRestorePerNodeLimit, 0, "5").says(
        "Concurrent Volume Backup Restore Per Node Limit",
        "How many volumes are restored on one node at the same time; 0 restores none.",
    ),
    boolean(Name::CreateDefaultDiskLabeledNodes, "false").says(
        "Create Default Disk on Labeled Nodes",
        "Only new nodes with the label node.longhorn.io/create-default-disk get a disk by themselves; off: every new node.",
    ),
    text(Name::DataEngineLogFlags, r#"{"v2":""}"#)
        .optional()
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Data Engine Log Flags", "Parts of the second engine that log more."),
    text(Name::DataEngineLogLevel, r#"{"v2":"Notice"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Data Engine Log Level", "How much the second engine logs."),
    text(Name::DefaultDataLocality, "disabled").one_of(&["disabled", "best-effort", "strict-local"]).says(
        "Default Data Locality",
        "Whether volumes that don't say keep a replica on the node that they are attached to.",
    ),
    text(Name::DefaultDataPath, "/var/lib/longhorn/").formed(Form::Directory).says(
        "Default Data Path",
        "Directory of a new node where its first disk is made. In standalone mode the disks are in the data directory.",
    ),
    int_from(Name::DefaultMinNumberOfBackingImageCopies, 1, "3")
        .says("Default Minimum Number of BackingImage Copies", "Copies of backing images that don't say."),
    int_between(Name::DefaultNvmeTcpNrIoQueues, 0, 128, r#"{"v2":"0"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Default NVMe-TCP Number of I/O Queues", "Queues of NVMe over TCP; 0 leaves the choice to the kernel."),
    int_between(Name::DefaultReplicaCount, 1, 20, r#"{"v1":"3","v2":"3"}"#)
        .per_engine()
        .says("Default Replica Count", "Number of replicas of volumes that don't say."),
    int_from(Name::DefaultUblkNumberOfQueue, 1, r#"{"v2":"1"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Default Number of Queues for UBLK", "Queues of a ublk device of the second engine."),
    int_from(Name::DefaultUblkQueueDepth, 32, r#"{"v2":"128"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Default Queue Depth for UBLK", "Requests that a ublk device of the second engine takes at the same time."),
    boolean(Name::DeletingConfirmationFlag, "false")
        .in_kubernetes()
        .says("Deleting Confirmation Flag", "The system may be uninstalled, with all its volumes."),
    boolean(Name::DetachManuallyAttachedVolumesWhenCordoned, "false").says(
        "Detach Manually Attached Volumes When Cordoned",
        "Volumes that a person attached to a node are detached when the node is cordoned.",
    ),
    boolean(Name::DisableRevisionCounter, r#"{"v1":"true"}"#)
        .per_engine()
        .says("Disable Revision Counter", "New volumes keep no revision counter file."),
    int_between(Name::EngineReplicaTimeout, 8, 30, r#"{"v1":"8","v2":"8"}"#).per_engine().says(
        "Timeout Between Engine and Replica",
        "Seconds after which an engine gives up a replica that does not answer.",
    ),
    boolean(Name::FastReplicaRebuildEnabled, r#"{"v1":"true","v2":"true"}"#)
        .per_engine()
        .true_already(&["false"])
        .later(Feature::DeltaRebuild)
        .says("Fast Replica Rebuild Enabled", "A rebuild copies only what the checksums say is different."),
    text(Name::LogLevel, "Info").formed(Form::LogLevel).says(
        "Log Level",
        "How much the manager logs: Panic, Fatal, Error, Warn, Info, Debug or Trace. A change takes effect at once; at the start \
         the environment variable AUROCHS_LOG comes first.",
    ),
    int_between(Name::LongGrpcTimeout, 1, 604_800, "86400")
        .later(Feature::CopyTimeouts)
        .says("Long gRPC Timeout", "Seconds after which a rebuild or a clone is given up."),
    text(Name::ManagerUrl, "").optional().formed(Form::BaseUrl).says(
        "Longhorn Manager URL",
        "Where clients reach the API (https://storage.example.org); the base of all links in answers. Empty: what each request \
         asked for.",
    ),
    boolean(Name::NodeDiskHealthMonitoring, "true").says(
        "Node Disk Health Monitoring",
        "What drives tell about their own health is read and shown with the disks.",
    ),
    text(Name::NodeDrainPolicy, "block-if-contains-last-replica")
        .one_of(&[
            "block-for-eviction",
            "block-for-eviction-if-contains-last-replica",
            "block-if-contains-last-replica",
            "allow-if-replica-is-stopped",
            "always-allow",
        ])
        .says("Node Drain Policy", "When a node may be drained although replicas of volumes are on it."),
    boolean(Name::OfflineReplicaRebuilding, "false").says(
        "Offline Replica Rebuilding",
        "Detached volumes that lack a replica are attached, without a device, until it is rebuilt. A volume can say otherwise.",
    ),
    boolean(Name::RemoveSnapshotsDuringFilesystemTrim, "false").says(
        "Remove Snapshots During Filesystem Trim",
        "A trim may remove the snapshots right below a volume's head, so that it frees their space too. A volume can say \
         otherwise.",
    ),
    int_between(Name::ReplicaFileSyncHttpClientTimeout, 5, 120, "30")
        .later(Feature::CopyTimeouts)
        .says("Timeout of HTTP Client to Replica File Sync Server", "Seconds after which a copy of a file is given up."),
    int_between(Name::ReplicaRebuildConcurrentSyncLimit, 1, 5, r#"{"v1":"1"}"#).per_engine().says(
        "Replica Rebuild Concurrent Sync Limit",
        "From how many replicas at the same time a rebuild copies. A volume can say otherwise.",
    ),
    int(Name::ReplicaRebuildingBandwidthLimit, r#"{"v1":"0","v2":"0"}"#).optional().per_engine().formed(Form::Between(0, 1_000_000)).says(
        "Replica Rebuilding Bandwidth Limit",
        "The most that one rebuild writes, in MB/s; 0 leaves it to the pace that spares users' requests. A volume can say \
         otherwise.",
    ),
    int_from(Name::ReplicaReplenishmentWaitInterval, 0, "600").says(
        "Replica Replenishment Wait Interval",
        "Seconds to wait for a failed replica to come back before a new one is made elsewhere.",
    ),
    boolean(Name::RwxVolumeFastFailover, "false").later(Feature::SharedVolumes).says(
        "RWX Volume Fast Failover",
        "The server of a volume that several nodes mount moves to another node soon after its node is down.",
    ),
    int_from(Name::SnapshotHeavyTaskConcurrentLimit, 0, "5").says(
        "Snapshot Heavy Task Concurrent Limit",
        "How many purges and clones run on one node at the same time; 0 sets no limit.",
    ),
    int_from(Name::SupportBundleFailedHistoryLimit, 0, "1")
        .optional()
        .says("SupportBundle Failed History Limit", "How many failed support bundles are kept; 0 keeps none."),
    int_from(Name::SupportBundleNodeCollectionTimeout, 0, "30")
        .says("Timeout for Support Bundle Node Collection", "Minutes that collecting from the nodes may take."),
    boolean(Name::UpgradeChecker, "true").true_already(&["false"]).later(Feature::UpgradeCheck).says(
        "Enable Upgrade Checker",
        "Whether newer versions are looked for. Nothing is sent to anybody, whatever stands here.",
    ),
    text(Name::UpgradeResponderUrl, "https://longhorn-upgrade-responder.rancher.io/v1/checkupgrade")
        .later(Feature::UpgradeCheck)
        .says("Upgrade Responder URL", "Where newer versions would be looked for. Nothing is sent there."),
];
