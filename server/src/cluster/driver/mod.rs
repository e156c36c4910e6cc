//! The objects of the CSI driver, which are made while we run and not by the chart: their tolerations, priority and the like
//! are settings, and an installation of Longhorn's has objects of the same names that no chart owns.
//!
//! 1. [`kubelet_root`] — where kubelet of a node keeps its sockets and mounts, from its arguments;
//! 2. [`system_pods`] — what the settings say of all of the system's own pods;
//! 3. [`plugin`] — the `DaemonSet` with the driver itself; [`sidecars`] — Kubernetes' programs that call it, and how many of
//!    them may be away; [`csi_driver`] — what Kubernetes is told of the driver.
//!
//! Everything here is a pure function from [`Wanted`] to objects.

pub mod csi_driver;
pub mod kubelet_root;
pub mod plugin;
pub mod sidecars;
pub mod system_pods;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use sidecars::{AntiAffinity, Replicas};
use system_pods::SystemPods;

/// Name of the driver, in classes and volumes for ever.
pub const DRIVER_NAME: &str = "driver.longhorn.io";
/// Annotation with the version that made an object.
pub const VERSION_ANNOTATION: &str = "driver.longhorn.io/version";
/// Account of the driver's pods on the nodes.
pub const PLUGIN_ACCOUNT: &str = "longhorn-csi-plugin-service-account";
/// Account of the sidecars.
pub const SIDECAR_ACCOUNT: &str = "longhorn-csi-service-account";

/// Images, as `registry/repository:tag`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Ours, with the driver in it.
    pub manager: String,
    pub attacher: String,
    pub provisioner: String,
    pub resizer: String,
    pub snapshotter: String,
    pub node_driver_registrar: String,
    pub liveness_probe: String,
}

/// What the objects are to be like.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub namespace: String,
    pub images: Images,
    /// The API that the driver works through, with `/v1`.
    pub manager_url: String,
    /// kubelet's directory on the nodes, without a slash at its end.
    pub kubelet_root: String,
    pub replicas: Replicas,
    pub anti_affinity: AntiAffinity,
    pub pods: SystemPods,
    /// Whether Kubernetes' scheduler is told how much space the nodes have (setting `csi-storage-capacity-tracking`).
    pub tracks_capacity: bool,
    /// Level of the driver's log (`AUROCHS_LOG`); its own when empty.
    pub log: String,
    /// Our version.
    pub version: String,
}

/// All objects, in the order in which they are to be made.
#[must_use]
pub fn objects(wanted: &Wanted) -> Vec<Value> {
    let mut objects = vec![csi_driver::object(wanted), plugin::object(wanted)];
    objects.extend(sidecars::objects(wanted));
    objects
}

/// What every object says of itself.
fn metadata(wanted: &Wanted, name: &str) -> Value {
    json!({
        "name": name,
        "namespace": wanted.namespace,
        "labels": {"app": name, "longhorn.io/managed-by": "longhorn-manager"},
        "annotations": {VERSION_ANNOTATION: wanted.version},
    })
}

/// Variables by which programs know where they are.
fn place_of_the_pod() -> [Value; 3] {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    [
        field("NODE_NAME", "spec.nodeName"),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
    ]
}

/// The directory of the driver's socket on a node.
fn socket_directory(wanted: &Wanted) -> String {
    format!("{}/plugins/{DRIVER_NAME}", wanted.kubelet_root)
}
