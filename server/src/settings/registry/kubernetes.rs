//! General settings that only a cluster of Kubernetes gives a meaning.

use super::Name;
use crate::feature::Feature;
use crate::settings::definition::{Definition, boolean, text};

pub(super) const ROWS: &[Definition] = &[
    boolean(Name::AutoDeletePodWhenVolumeDetachedUnexpectedly, "true").true_already(&["false"]).later(Feature::Kubernetes).says(
        "Automatically Delete Workload Pod when The Volume Is Detached Unexpectedly",
        "Pods that a controller would make again are deleted when their volume went away under them, so that they mount it \
         again.",
    ),
    text(Name::BlacklistForAutoDeletePodWhenVolumeDetachedUnexpectedly, "").optional().later(Feature::Kubernetes).says(
        "Blacklist for Automatically Delete Workload Pod when The Volume Is Detached Unexpectedly",
        "Kinds of controllers whose pods are left alone then: apps/ReplicaSet;apps/DaemonSet.",
    ),
    text(Name::CsiAllowedTopologyKeys, "")
        .optional()
        .later(Feature::Kubernetes)
        .says("CSI Allowed Topology Keys", "Labels of nodes that may stand in the affinity of a volume, with , between them."),
    boolean(Name::CsiStorageCapacityTracking, "false")
        .in_kubernetes()
        .says("CSI Storage Capacity Tracking", "The space of nodes is told to Kubernetes' scheduler."),
    text(Name::DefaultLonghornStaticStorageClass, "longhorn-static").later(Feature::Kubernetes).says(
        "Default Longhorn Static StorageClass Name",
        "StorageClass in persistent volumes and claims that are made for volumes that are there already.",
    ),
    boolean(Name::KubernetesClusterAutoscalerEnabled, "false")
        .later(Feature::Kubernetes)
        .says("Kubernetes Cluster Autoscaler Enabled", "The cluster autoscaler may remove nodes that hold no data."),
    boolean(Name::KubernetesMetricsServerMetricsEnabled, "true").true_already(&["false"]).later(Feature::Kubernetes).says(
        "Kubernetes Metrics Server Metrics",
        "What pods and nodes use is read from Kubernetes' metrics server for our metrics.",
    ),
    text(Name::NodeDownPodDeletionPolicy, "do-nothing")
        .one_of(&[
            "do-nothing",
            "delete-statefulset-pod",
            "delete-deployment-pod",
            "delete-both-statefulset-and-deployment-pod",
        ])
        .later(Feature::Kubernetes)
        .says("Pod Deletion Policy When Node is Down", "Pods that are removed by force when their node is down."),
    text(Name::RegistrySecret, "")
        .optional()
        .in_kubernetes()
        .says("Registry Secret", "Name of the secret with which the system's images are pulled."),
    text(Name::SystemManagedPodsImagePullPolicy, "if-not-present")
        .one_of(&["if-not-present", "never", "always"])
        .in_kubernetes()
        .says("System Managed Pod Image Pull Policy", "When the images of the system's own pods are pulled."),
];
