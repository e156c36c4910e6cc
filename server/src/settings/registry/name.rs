//! Names of settings, typed so that a misspelled one does not compile.

use super::Definition;

macro_rules! names {
    ($($variant:ident = $word:literal),* $(,)?) => {
        /// Which setting.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Name { $($variant),* }

        impl Name {
            /// All of them, in the order of their words.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As users write it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

// In the order of the words: a name's number is the place of its row.
names! {
    AllowCollectingLonghornUsageMetrics = "allow-collecting-longhorn-usage-metrics",
    AllowEmptyDiskSelectorVolume = "allow-empty-disk-selector-volume",
    AllowEmptyNodeSelectorVolume = "allow-empty-node-selector-volume",
    AllowLiveEngineUpgradeOnSameImageCommit = "allow-live-engine-upgrade-on-same-image-commit",
    AllowRecurringJobWhileVolumeDetached = "allow-recurring-job-while-volume-detached",
    AllowVolumeCreationWithDegradedAvailability = "allow-volume-creation-with-degraded-availability",
    AuditMaxAgeDays = "audit-max-age-days",
    AuditMaxCount = "audit-max-count",
    AutoCleanupRecurringJobBackupSnapshot = "auto-cleanup-recurring-job-backup-snapshot",
    AutoCleanupSnapshotAfterOnDemandBackupCompleted = "auto-cleanup-snapshot-after-on-demand-backup-completed",
    AutoCleanupSystemGeneratedSnapshot = "auto-cleanup-system-generated-snapshot",
    AutoCleanupWhenDeleteBackup = "auto-cleanup-when-delete-backup",
    AutoDeletePodWhenVolumeDetachedUnexpectedly = "auto-delete-pod-when-volume-detached-unexpectedly",
    AutoSalvage = "auto-salvage",
    BackingImageCleanupWaitInterval = "backing-image-cleanup-wait-interval",
    BackingImageRecoveryWaitInterval = "backing-image-recovery-wait-interval",
    BackupCompressionMethod = "backup-compression-method",
    BackupConcurrentLimit = "backup-concurrent-limit",
    BackupExecutionTimeout = "backup-execution-timeout",
    BlacklistForAutoDeletePodWhenVolumeDetachedUnexpectedly = "blacklist-for-auto-delete-pod-when-volume-detached-unexpectedly",
    ConcurrentAutomaticEngineUpgradePerNodeLimit = "concurrent-automatic-engine-upgrade-per-node-limit",
    ConcurrentBackingImageReplenishPerNodeLimit = "concurrent-backing-image-replenish-per-node-limit",
    ConcurrentReplicaRebuildPerNodeLimit = "concurrent-replica-rebuild-per-node-limit",
    ConcurrentVolumeBackupRestorePerNodeLimit = "concurrent-volume-backup-restore-per-node-limit",
    CrdApiVersion = "crd-api-version",
    CreateDefaultDiskLabeledNodes = "create-default-disk-labeled-nodes",
    CsiAllowedTopologyKeys = "csi-allowed-topology-keys",
    CsiStorageCapacityTracking = "csi-storage-capacity-tracking",
    CurrentLonghornVersion = "current-longhorn-version",
    DataEngineCpuIsolationEnabled = "data-engine-cpu-isolation-enabled",
    DataEngineCpuMask = "data-engine-cpu-mask",
    DataEngineHugepageEnabled = "data-engine-hugepage-enabled",
    DataEngineInterruptModeEnabled = "data-engine-interrupt-mode-enabled",
    DataEngineIobufLargePoolSize = "data-engine-iobuf-large-pool-size",
    DataEngineIobufSmallPoolSize = "data-engine-iobuf-small-pool-size",
    DataEngineLogFlags = "data-engine-log-flags",
    DataEngineLogLevel = "data-engine-log-level",
    DataEngineMemorySize = "data-engine-memory-size",
    DataEngineNumberOfCpuCores = "data-engine-number-of-cpu-cores",
    DefaultBackingImageManagerImage = "default-backing-image-manager-image",
    DefaultBackupBlockSize = "default-backup-block-size",
    DefaultDataLocality = "default-data-locality",
    DefaultDataPath = "default-data-path",
    DefaultEngineImage = "default-engine-image",
    DefaultInstanceManagerImage = "default-instance-manager-image",
    DefaultLonghornStaticStorageClass = "default-longhorn-static-storage-class",
    DefaultMinNumberOfBackingImageCopies = "default-min-number-of-backing-image-copies",
    DefaultNvmeTcpNrIoQueues = "default-nvme-tcp-nr-io-queues",
    DefaultReplicaCount = "default-replica-count",
    DefaultUblkNumberOfQueue = "default-ublk-number-of-queue",
    DefaultUblkQueueDepth = "default-ublk-queue-depth",
    DeletingConfirmationFlag = "deleting-confirmation-flag",
    DetachManuallyAttachedVolumesWhenCordoned = "detach-manually-attached-volumes-when-cordoned",
    DisableRevisionCounter = "disable-revision-counter",
    DisableSchedulingOnCordonedNode = "disable-scheduling-on-cordoned-node",
    DisableSnapshotPurge = "disable-snapshot-purge",
    EndpointNetworkForRwxVolume = "endpoint-network-for-rwx-volume",
    EngineImagePodLivenessProbeFailureThreshold = "engine-image-pod-liveness-probe-failure-threshold",
    EngineImagePodLivenessProbePeriod = "engine-image-pod-liveness-probe-period",
    EngineImagePodLivenessProbeTimeout = "engine-image-pod-liveness-probe-timeout",
    EngineReplicaTimeout = "engine-replica-timeout",
    FailedBackupTtl = "failed-backup-ttl",
    FastReplicaRebuildEnabled = "fast-replica-rebuild-enabled",
    FreezeFilesystemForSnapshot = "freeze-filesystem-for-snapshot",
    GuaranteedInstanceManagerCpu = "guaranteed-instance-manager-cpu",
    InstanceManagerPodLivenessProbeTimeout = "instance-manager-pod-liveness-probe-timeout",
    JobHistoryMaxAgeDays = "job-history-max-age-days",
    JobHistoryMaxCount = "job-history-max-count",
    KubernetesClusterAutoscalerEnabled = "kubernetes-cluster-autoscaler-enabled",
    KubernetesMetricsServerMetricsEnabled = "kubernetes-metrics-server-metrics-enabled",
    LatestLonghornVersion = "latest-longhorn-version",
    LogLevel = "log-level",
    LogPath = "log-path",
    LongGrpcTimeout = "long-grpc-timeout",
    ManagerUrl = "manager-url",
    NodeDiskHealthMonitoring = "node-disk-health-monitoring",
    NodeDownPodDeletionPolicy = "node-down-pod-deletion-policy",
    NodeDrainPolicy = "node-drain-policy",
    OfflineReplicaRebuilding = "offline-replica-rebuilding",
    OrphanResourceAutoDeletion = "orphan-resource-auto-deletion",
    OrphanResourceAutoDeletionGracePeriod = "orphan-resource-auto-deletion-grace-period",
    PriorityClass = "priority-class",
    RecurringFailedJobsHistoryLimit = "recurring-failed-jobs-history-limit",
    RecurringJobMaxRetention = "recurring-job-max-retention",
    RecurringSuccessfulJobsHistoryLimit = "recurring-successful-jobs-history-limit",
    RegistrySecret = "registry-secret",
    RemoveSnapshotsDuringFilesystemTrim = "remove-snapshots-during-filesystem-trim",
    ReplicaAutoBalance = "replica-auto-balance",
    ReplicaAutoBalanceDiskPressurePercentage = "replica-auto-balance-disk-pressure-percentage",
    ReplicaDiskSoftAntiAffinity = "replica-disk-soft-anti-affinity",
    ReplicaFileSyncHttpClientTimeout = "replica-file-sync-http-client-timeout",
    ReplicaRebuildConcurrentSyncLimit = "replica-rebuild-concurrent-sync-limit",
    ReplicaRebuildingBandwidthLimit = "replica-rebuilding-bandwidth-limit",
    ReplicaReplenishmentWaitInterval = "replica-replenishment-wait-interval",
    ReplicaSoftAntiAffinity = "replica-soft-anti-affinity",
    ReplicaZoneSoftAntiAffinity = "replica-zone-soft-anti-affinity",
    RestoreConcurrentLimit = "restore-concurrent-limit",
    RestoreVolumeRecurringJobs = "restore-volume-recurring-jobs",
    RwxVolumeFastFailover = "rwx-volume-fast-failover",
    SamplesEnabled = "samples-enabled",
    SamplesMaxSizeMib = "samples-max-size-mib",
    SnapshotCountWarningThreshold = "snapshot-count-warning-threshold",
    SnapshotDataIntegrity = "snapshot-data-integrity",
    SnapshotDataIntegrityCronjob = "snapshot-data-integrity-cronjob",
    SnapshotDataIntegrityImmediateCheckAfterSnapshotCreation = "snapshot-data-integrity-immediate-check-after-snapshot-creation",
    SnapshotHeavyTaskConcurrentLimit = "snapshot-heavy-task-concurrent-limit",
    SnapshotMaxCount = "snapshot-max-count",
    StableLonghornVersions = "stable-longhorn-versions",
    StorageMinimalAvailablePercentage = "storage-minimal-available-percentage",
    StorageNetwork = "storage-network",
    StorageOverProvisioningPercentage = "storage-over-provisioning-percentage",
    StorageReservedPercentageForDefaultDisk = "storage-reserved-percentage-for-default-disk",
    SupportBundleFailedHistoryLimit = "support-bundle-failed-history-limit",
    SupportBundleManagerImage = "support-bundle-manager-image",
    SupportBundleNodeCollectionTimeout = "support-bundle-node-collection-timeout",
    SystemManagedComponentsNodeSelector = "system-managed-components-node-selector",
    SystemManagedCsiComponentsResourceLimits = "system-managed-csi-components-resource-limits",
    SystemManagedPodsImagePullPolicy = "system-managed-pods-image-pull-policy",
    TaintToleration = "taint-toleration",
    UpgradeChecker = "upgrade-checker",
    UpgradeResponderUrl = "upgrade-responder-url",
    V1DataEngine = "v1-data-engine",
    V2DataEngine = "v2-data-engine",
}

impl Name {
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.binary_search_by(|name| name.word().cmp(word)).ok().map(|place| Self::ALL[place])
    }

    /// Its row.
    #[must_use]
    pub fn definition(self) -> &'static Definition {
        &super::all()[self as usize]
    }
}
