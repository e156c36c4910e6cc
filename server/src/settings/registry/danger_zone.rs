//! What reaches into running volumes or into the system's own parts.

use super::Name;
use crate::feature::Feature;
use crate::settings::Form;
use crate::settings::definition::{
    Applies, Definition, ValueType, boolean, float_between, int_between, int_from, text,
};

pub(super) const ROWS: &[Definition] = &[
    int_from(Name::ConcurrentBackingImageReplenishPerNodeLimit, 0, "5").says(
        "Concurrent Backing Image Replenish Per Node Limit",
        "How many copies of backing images are made on one node at the same time; 0 makes none.",
    ),
    int_from(Name::ConcurrentReplicaRebuildPerNodeLimit, 0, "5").says(
        "Concurrent Replica Rebuild Per Node Limit",
        "How many replicas may be rebuilt on one node at the same time; 0 stops all rebuilding, and evictions with it.",
    ),
    boolean(Name::DataEngineCpuIsolationEnabled, r#"{"v2":"false"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Data Engine CPU Isolation", "The kernel keeps interrupts and its own work off the engine's processors."),
    text(Name::DataEngineCpuMask, r#"{"v2":"0x3"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Data Engine CPU Mask", "Processors of the engine, as a mask, where no number of cores is given."),
    boolean(Name::DataEngineHugepageEnabled, r#"{"v2":"true"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Data Engine Hugepage", "The engine's memory is made of huge pages."),
    boolean(Name::DataEngineInterruptModeEnabled, r#"{"v2":"false"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Data Engine Interrupt Mode", "The engine waits for interrupts and does not poll."),
    int_from(Name::DataEngineIobufLargePoolSize, 1024, r#"{"v2":"1024"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Data Engine Large I/O Buffer Pool Size", "Number of the engine's large buffers."),
    int_from(Name::DataEngineIobufSmallPoolSize, 8192, r#"{"v2":"8192"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Data Engine Small I/O Buffer Pool Size", "Number of the engine's small buffers."),
    int_from(Name::DataEngineMemorySize, 0, r#"{"v2":"2048"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Data Engine Memory Size", "Memory of the engine on each node, in MiB."),
    int_from(Name::DataEngineNumberOfCpuCores, 0, r#"{"v2":"0"}"#)
        .per_engine()
        .later(Feature::SecondEngine)
        .says("Data Engine Number of CPU Cores", "Processors that the engine has for itself; 0 uses the mask."),
    boolean(Name::DisableSnapshotPurge, "false").says(
        "Disable Snapshot Purge",
        "Snapshots that were deleted are marked and not merged away, which frees no space. Not together with the automatic \
         cleanup of system generated snapshots.",
    ),
    text(Name::EndpointNetworkForRwxVolume, "")
        .optional()
        .formed(Form::Network)
        .applies(Applies::WhenSharedDetached)
        .later(Feature::SharedVolumes)
        .says("Endpoint Network For RWX Volume", "Network through which volumes that several nodes mount are reached."),
    int_between(Name::EngineImagePodLivenessProbeFailureThreshold, 1, 60, "3").later(Feature::Kubernetes).says(
        "Engine Image Pod Liveness Probe Failure Threshold",
        "Failed probes in a row after which an engine image's pod is started anew.",
    ),
    int_between(Name::EngineImagePodLivenessProbePeriod, 1, 60, "5")
        .later(Feature::Kubernetes)
        .says("Engine Image Pod Liveness Probe Period", "Seconds between the probes of an engine image's pod."),
    int_between(Name::EngineImagePodLivenessProbeTimeout, 1, 60, "4")
        .later(Feature::Kubernetes)
        .says("Engine Image Pod Liveness Probe Timeout", "Seconds that a probe of an engine image's pod may take."),
    float_between(Name::GuaranteedInstanceManagerCpu, 0.0, 40.0, r#"{"v1":"12","v2":"12"}"#)
        .per_engine()
        .later(Feature::Kubernetes)
        .says(
            "Guaranteed Instance Manager CPU",
            "Part of a node's processors, in percent, that each instance manager's pod asks for.",
        ),
    int_between(Name::InstanceManagerPodLivenessProbeTimeout, 1, 60, "10")
        .later(Feature::Kubernetes)
        .says("Instance Manager Pod Liveness Probe Timeout", "Seconds that a probe of an instance manager may take."),
    text(Name::LogPath, "/var/lib/longhorn/logs/")
        .formed(Form::Directory)
        .later(Feature::SecondEngine)
        .says("Log Path", "Directory of the nodes where the instance managers of the second engine write their logs."),
    text(Name::PriorityClass, "")
        .typed(ValueType::Untold)
        .optional()
        .applies(Applies::WhenAllDetached)
        .in_kubernetes()
        .says("Priority Class", "PriorityClass of the system's own pods."),
    text(Name::StorageNetwork, "")
        .optional()
        .formed(Form::Network)
        .applies(Applies::WhenAllDetached)
        .later(Feature::Kubernetes)
        .says("Storage Network", "Network through which engines and replicas speak with each other."),
    text(Name::SystemManagedComponentsNodeSelector, "")
        .optional()
        .formed(Form::NodeSelector)
        .applies(Applies::WhenAllDetached)
        .in_kubernetes()
        .says("System Managed Components Node Selector", "Nodes on which the system's own pods run: key:value;key:value."),
    text(Name::SystemManagedCsiComponentsResourceLimits, "")
        .optional()
        .formed(Form::PodResources)
        .in_kubernetes()
        .says("System Managed CSI Components Resource Limits", "Requests and limits of the CSI pods, as JSON."),
    text(Name::TaintToleration, "")
        .optional()
        .formed(Form::Tolerations)
        .applies(Applies::WhenAllDetached)
        .in_kubernetes()
        .says("Kubernetes Taint Toleration", "Taints that the system's own pods tolerate: key=value:Effect;key:Effect."),
    boolean(Name::V1DataEngine, "true").says(
        "V1 Data Engine",
        "Volumes of the first data engine can be created and attached. It can't be turned off while one is attached.",
    ),
    boolean(Name::V2DataEngine, "false")
        .later(Feature::SecondEngine)
        .says("V2 Data Engine", "Volumes of the second data engine can be created and attached."),
];
