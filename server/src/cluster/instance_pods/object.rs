//! The pod of an instance manager.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::driver::system_pods::SystemPods;
use crate::controllers::instance_manager::name_of;

/// Its account: it may read volumes, and write who has their data.
const ACCOUNT: &str = "longhorn-instance-manager-service-account";
/// The main container.
pub(super) const CONTAINER: &str = "instance-manager";
/// What the pod was made by: a pod that another version, or other settings, would make is another one.
pub(super) const MADE_BY: &str = "aurochs.io/made-by";
/// Sockets and notes of running processes: of this boot of the node, also when the container is started again.
const RUN_DIRECTORY: &str = "/run/aurochs-instances";
const PORT: u16 = 8500;

/// What the pod is to be like.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) namespace: String,
    pub(super) node: String,
    /// `metadata.uid` of Kubernetes' node.
    pub(super) node_uid: String,
    pub(super) image: String,
    /// The manager's data directory, as it is called on the node.
    pub(super) data: String,
    pub(super) pods: SystemPods,
    /// Level of its log (`AUROCHS_LOG`); its own when empty.
    pub(super) log: String,
}

/// Where an instance manager in a pod of this address is reached.
#[must_use]
pub(super) fn address(pod_ip: IpAddr) -> String {
    format!("tls:{}", SocketAddr::new(pod_ip, PORT))
}

/// The pod, with [`MADE_BY`].
#[must_use]
pub(super) fn pod(wanted: &Wanted) -> Value {
    let name = name_of(&wanted.node);
    let mut spec = json!({
        "serviceAccountName": ACCOUNT,
        "nodeName": wanted.node,
        "restartPolicy": "Always",
        // Engines end in order: they note that all replicas are equal.
        "terminationGracePeriodSeconds": 60,
        "containers": [container(wanted)],
        "volumes": volumes(),
    });
    wanted.pods.apply(&mut spec);
    tolerate_troubles(&mut spec);
    let made_by = made_by(&spec);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": wanted.namespace,
            "labels": {
                "longhorn.io/component": "instance-manager",
                "longhorn.io/data-engine": "v1",
                "longhorn.io/instance-manager-type": "aio",
                "longhorn.io/managed-by": "longhorn-manager",
                "longhorn.io/node": wanted.node,
            },
            "annotations": {MADE_BY: made_by},
            // As kubelet has it for its own pods: without one that makes it anew nobody's pod is drained, and it goes with the node.
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Node", "name": wanted.node, "uid": wanted.node_uid, "controller": true,
            }],
        },
        "spec": spec,
    })
}

fn made_by(spec: &Value) -> String {
    Sha256::digest(spec.to_string()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// As Kubernetes does for DaemonSets: a node in trouble is where volumes need their processes most, and evicting them helps nobody.
fn tolerate_troubles(spec: &mut Value) {
    let tolerated = |(name, effect): (&str, &str)| json!({"key": format!("node.kubernetes.io/{name}"), "operator": "Exists", "effect": effect});
    let troubles = [
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    let mut tolerations = spec["tolerations"].as_array().cloned().unwrap_or_default();
    tolerations.extend(troubles.map(tolerated));
    spec["tolerations"] = tolerations.into();
}

fn container(wanted: &Wanted) -> Value {
    let data = &wanted.data;
    let mut environment = vec![json!({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})];
    if !wanted.log.is_empty() {
        environment.push(json!({"name": "AUROCHS_LOG", "value": wanted.log}));
    }
    json!({
        "name": CONTAINER,
        "image": wanted.image,
        "command": ["aurochs-engine"],
        "args": [
            "instance-manager",
            "--host=/host",
            format!("--node={}", wanted.node),
            format!("--data={data}"),
            format!("--records={data}/records"),
            format!("--run-dir={RUN_DIRECTORY}"),
            "--dev-dir=/dev/longhorn",
            format!("--api-server={data}/cluster/api-server.json"),
            "--instance-address=$(POD_IP)",
            format!("--tls={data}/cluster/tls"),
        ],
        "env": environment,
        "ports": [{"name": "instances", "containerPort": PORT}],
        // Of those that ask for nothing a node in need ends all first.
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        // No liveness probe: a restart of the container ends all volumes of the node, which a slow answer is no reason for.
        "readinessProbe": {"tcpSocket": {"port": "instances"}, "periodSeconds": 5, "timeoutSeconds": 4},
        // Privileged: block devices come while it runs, and disks are at any path of the node.
        "securityContext": {"privileged": true, "runAsUser": 0},
        "volumeMounts": [
            {"name": "host", "mountPath": "/host", "mountPropagation": "HostToContainer"},
            {"name": "devices", "mountPath": "/dev"},
            {"name": "run", "mountPath": RUN_DIRECTORY},
            {"name": "modules", "mountPath": "/lib/modules", "readOnly": true},
        ],
    })
}

fn volumes() -> Value {
    let directory =
        |name: &str, path: &str, kind: &str| json!({"name": name, "hostPath": {"path": path, "type": kind}});
    json!([
        directory("host", "/", "Directory"),
        directory("devices", "/dev", "Directory"),
        directory("run", RUN_DIRECTORY, "DirectoryOrCreate"),
        // A node whose kernel has everything built in may lack it.
        directory("modules", "/lib/modules", ""),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            namespace: "n".into(),
            node: "a".into(),
            node_uid: "1".into(),
            image: "i:1".into(),
            data: "/var/lib/aurochs".into(),
            pods: SystemPods::default(),
            log: String::new(),
        }
    }

    #[test]
    fn a_pod_of_another_image_or_setting_is_another_one() {
        let mark = |wanted: &Wanted| pod(wanted)["metadata"]["annotations"][MADE_BY].as_str().unwrap().to_owned();
        assert_eq!(mark(&wanted()), mark(&wanted()));
        assert_ne!(mark(&wanted()), mark(&Wanted { image: "i:2".into(), ..wanted() }));
        let pods = SystemPods { priority_class: "high".into(), ..SystemPods::default() };
        assert_ne!(mark(&wanted()), mark(&Wanted { pods, ..wanted() }));
    }

    #[test]
    fn addresses_of_both_families() {
        assert_eq!(address("10.0.0.1".parse().unwrap()), "tls:10.0.0.1:8500");
        assert_eq!(address("fd00::1".parse().unwrap()), "tls:[fd00::1]:8500");
    }
}
