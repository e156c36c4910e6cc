//! The driver itself: one pod on every node, with the program that tells kubelet of it and the one that asks it whether it
//! lives.

use serde_json::{Value, json};

use super::{DRIVER_NAME, PLUGIN_ACCOUNT, Wanted, metadata, place_of_the_pod, socket_directory};

/// Name of the `DaemonSet` and of its main container.
pub const NAME: &str = "longhorn-csi-plugin";
/// Where the liveness probe answers.
const HEALTH_PORT: u16 = 9808;
/// Where kubelet mounts the account's token.
const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The `DaemonSet`.
#[must_use]
pub fn object(wanted: &Wanted) -> Value {
    let mut pod = json!({
        "serviceAccountName": PLUGIN_ACCOUNT,
        "containers": [registrar(wanted), liveness(wanted), plugin(wanted)],
        "volumes": volumes(wanted),
    });
    wanted.pods.apply(&mut pod);
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(wanted, NAME),
        "spec": {
            "selector": {"matchLabels": {"app": NAME}},
            // Mounted volumes don't need the driver; one node after the other would only take long.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
            "template": {
                "metadata": {"labels": {"app": NAME, "longhorn.io/managed-by": "longhorn-manager"}},
                "spec": pod,
            },
        },
    })
}

/// Tells kubelet where the driver's socket is.
fn registrar(wanted: &Wanted) -> Value {
    json!({
        "name": "node-driver-registrar",
        "image": wanted.images.node_driver_registrar,
        "args": [
            "--v=2",
            "--csi-address=/csi/csi.sock",
            format!("--kubelet-registration-path={}/csi.sock", socket_directory(wanted)),
        ],
        // Root alone may open the driver's socket, and kubelet's directory is root's.
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
            "seLinuxOptions": {"type": "spc_t"},
        },
        "volumeMounts": [
            {"name": "socket", "mountPath": "/csi"},
            {"name": "registration", "mountPath": "/registration"},
        ],
    })
}

/// Asks the driver whether it answers, for kubelet.
fn liveness(wanted: &Wanted) -> Value {
    json!({
        "name": "longhorn-liveness-probe",
        "image": wanted.images.liveness_probe,
        "args": ["--v=4", "--csi-address=/csi/csi.sock", format!("--health-port={HEALTH_PORT}")],
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
            "seLinuxOptions": {"type": "spc_t"},
        },
        "volumeMounts": [{"name": "socket", "mountPath": "/csi"}],
    })
}

fn plugin(wanted: &Wanted) -> Value {
    let mut environment = place_of_the_pod().to_vec();
    if !wanted.log.is_empty() {
        environment.push(json!({"name": "AUROCHS_LOG", "value": wanted.log}));
    }
    // Startup: three minutes, since the manager may only just begin.
    let probe = |period: u32, failures: u32| {
        json!({
            "httpGet": {"path": "/healthz", "port": "healthz"},
            "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures,
        })
    };
    json!({
        "name": NAME,
        "image": wanted.images.manager,
        "command": ["aurochs-csi"],
        "args": [
            "--nodeid=$(NODE_NAME)",
            "--endpoint=unix:///csi/csi.sock",
            format!("--drivername={DRIVER_NAME}"),
            format!("--manager-url={}", wanted.manager_url),
            format!("--token-file={TOKEN_FILE}"),
        ],
        "env": environment,
        "ports": [{"name": "healthz", "containerPort": HEALTH_PORT}],
        "startupProbe": probe(5, 36),
        "livenessProbe": probe(5, 3),
        // Privileged: what it mounts has to appear on the node, and the devices of volumes come while it runs.
        "securityContext": {"privileged": true, "runAsUser": 0},
        "volumeMounts": [
            {"name": "socket", "mountPath": "/csi"},
            {"name": "staging", "mountPath": staging(wanted), "mountPropagation": "Bidirectional"},
            {"name": "pods", "mountPath": format!("{}/pods", wanted.kubelet_root), "mountPropagation": "Bidirectional"},
            {"name": "devices", "mountPath": "/dev"},
            {"name": "sys", "mountPath": "/sys"},
            {"name": "processes", "mountPath": "/host/proc", "readOnly": true},
            {"name": "modules", "mountPath": "/lib/modules", "readOnly": true},
        ],
    })
}

/// Where kubelet lets volumes be staged.
fn staging(wanted: &Wanted) -> String {
    format!("{}/plugins/kubernetes.io/csi", wanted.kubelet_root)
}

fn volumes(wanted: &Wanted) -> Value {
    let directory =
        |name: &str, path: &str, kind: &str| json!({"name": name, "hostPath": {"path": path, "type": kind}});
    json!([
        directory("socket", &socket_directory(wanted), "DirectoryOrCreate"),
        directory("registration", &format!("{}/plugins_registry", wanted.kubelet_root), "DirectoryOrCreate"),
        directory("staging", &staging(wanted), "DirectoryOrCreate"),
        directory("pods", &format!("{}/pods", wanted.kubelet_root), "DirectoryOrCreate"),
        directory("devices", "/dev", "Directory"),
        directory("sys", "/sys", "Directory"),
        directory("processes", "/proc", "Directory"),
        // A node whose kernel has everything built in may lack it.
        directory("modules", "/lib/modules", ""),
    ])
}
