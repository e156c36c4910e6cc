//! Kubernetes' programs that watch its objects and call the driver: attacher, provisioner, resizer, snapshotter. Of each
//! several pods run, of which one acts; each calls the driver of its own node.

use serde_json::{Value, json};

use super::{SIDECAR_ACCOUNT, Wanted, metadata, place_of_the_pod, socket_directory};

/// Their Deployments, PodDisruptionBudgets and containers.
pub const NAMES: [&str; 4] = ["csi-attacher", "csi-provisioner", "csi-resizer", "csi-snapshotter"];
/// Pods of a sidecar, when nothing is said.
pub const REPLICAS: u32 = 3;

/// How many pods of each there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    pub attacher: u32,
    pub provisioner: u32,
    pub resizer: u32,
    pub snapshotter: u32,
}

impl Default for Replicas {
    fn default() -> Self {
        Self { attacher: REPLICAS, provisioner: REPLICAS, resizer: REPLICAS, snapshotter: REPLICAS }
    }
}

/// How strictly pods of one sidecar stay on different nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AntiAffinity {
    /// Where it can be.
    #[default]
    Soft,
    /// Else they don't run.
    Hard,
}

impl AntiAffinity {
    /// By its word in the chart's values; soft when there is none.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "" | "soft" => Some(Self::Soft),
            "hard" => Some(Self::Hard),
            _ => None,
        }
    }
}

struct Sidecar<'a> {
    name: &'static str,
    image: &'a str,
    replicas: u32,
    /// Beside those that all have.
    arguments: &'static [&'static str],
}

/// What all are told. A call may take as long as the manager waits for a volume, and a bit.
const ARGUMENTS: [&str; 8] = [
    "--v=2",
    "--csi-address=/csi/csi.sock",
    "--timeout=1m50s",
    "--leader-election",
    "--leader-election-namespace=$(POD_NAMESPACE)",
    "--kube-api-qps=50",
    "--kube-api-burst=100",
    "--http-endpoint=:8000",
];

/// A `Deployment` and a `PodDisruptionBudget` for each.
#[must_use]
pub fn objects(wanted: &Wanted) -> Vec<Value> {
    let (images, replicas) = (&wanted.images, wanted.replicas);
    let sidecars = [
        Sidecar { name: "csi-attacher", image: &images.attacher, replicas: replicas.attacher, arguments: &[] },
        Sidecar {
            name: "csi-provisioner",
            image: &images.provisioner,
            replicas: replicas.provisioner,
            // Capacities are owned by the Deployment, two levels above the pod, so that they go with it.
            arguments: &[
                "--default-fstype=ext4",
                "--enable-capacity",
                "--capacity-ownerref-level=2",
                "--immediate-topology=false",
            ],
        },
        Sidecar {
            name: "csi-resizer",
            image: &images.resizer,
            replicas: replicas.resizer,
            // Volumes grow while they are in use: nothing waits for pods to go.
            arguments: &["--handle-volume-inuse-error=false", "--feature-gates=RecoverVolumeExpansionFailure=false"],
        },
        Sidecar { name: "csi-snapshotter", image: &images.snapshotter, replicas: replicas.snapshotter, arguments: &[] },
    ];
    sidecars.iter().flat_map(|sidecar| [deployment(wanted, sidecar), budget(wanted, sidecar)]).collect()
}

fn deployment(wanted: &Wanted, sidecar: &Sidecar<'_>) -> Value {
    let arguments: Vec<&str> = ARGUMENTS.iter().chain(sidecar.arguments).copied().collect();
    let mut environment = place_of_the_pod().to_vec();
    // The provisioner's own word for where its pod is: without it, it does not start with --enable-capacity.
    environment.push(json!({"name": "NAMESPACE", "value": wanted.namespace}));
    let mut pod = json!({
        "serviceAccountName": SIDECAR_ACCOUNT,
        "affinity": affinity(wanted.anti_affinity, sidecar.name),
        "containers": [{
            "name": sidecar.name,
            "image": sidecar.image,
            "args": arguments,
            "env": environment,
            "ports": [{"name": "http", "containerPort": 8000}],
            "livenessProbe": {
                "httpGet": {"path": "/healthz/leader-election", "port": "http"},
                "periodSeconds": 20, "timeoutSeconds": 10, "failureThreshold": 3,
            },
            // Root alone may open the driver's socket.
            "securityContext": {
                "runAsUser": 0,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
                "seLinuxOptions": {"type": "spc_t"},
            },
            "volumeMounts": [{"name": "socket", "mountPath": "/csi"}],
        }],
        "volumes": [{"name": "socket", "hostPath": {"path": socket_directory(wanted), "type": "DirectoryOrCreate"}}],
    });
    wanted.pods.apply(&mut pod);
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(wanted, sidecar.name),
        "spec": {
            "replicas": sidecar.replicas,
            "selector": {"matchLabels": {"app": sidecar.name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "template": {
                "metadata": {"labels": {"app": sidecar.name, "longhorn.io/managed-by": "longhorn-manager"}},
                "spec": pod,
            },
        },
    })
}

fn affinity(kind: AntiAffinity, name: &str) -> Value {
    let term = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": name}}});
    let rule = match kind {
        AntiAffinity::Soft => {
            json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]})
        }
        AntiAffinity::Hard => json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]}),
    };
    json!({"podAntiAffinity": rule})
}

/// Drains take one pod after the other. One pod alone does not hold a drain up: it is made anew elsewhere.
fn budget(wanted: &Wanted, sidecar: &Sidecar<'_>) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(wanted, sidecar.name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": sidecar.name}}},
    })
}
