//! What Kubernetes is told of the driver.

use serde_json::{Value, json};

use super::{DRIVER_NAME, VERSION_ANNOTATION, Wanted};

/// The `CSIDriver`.
#[must_use]
pub fn object(wanted: &Wanted) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {
            "name": DRIVER_NAME,
            "labels": {"longhorn.io/managed-by": "longhorn-manager"},
            "annotations": {VERSION_ANNOTATION: wanted.version},
        },
        "spec": {
            // The driver is told which pod a volume is for.
            "podInfoOnMount": true,
            "storageCapacity": wanted.tracks_capacity,
        },
    })
}
