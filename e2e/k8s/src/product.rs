//! What a user installs: the manifest `deploy/longhorn.yaml`, by `kubectl apply`.
//!
//! All of it are pods, of the images that `harness/images.sh` made of our programs. They reach the manager at the address of its
//! service, since nobody serves names of services here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::{kubectl, processes, variable};

/// Where it is.
pub const NAMESPACE: &str = "longhorn-system";
/// The manager's DaemonSet, and the label `app` of its pods.
pub const MANAGER: &str = "longhorn-manager";
/// The pods of instance managers.
pub const INSTANCE_MANAGER: &str = "longhorn.io/component=instance-manager";
/// Our account of the driver: it may use the API.
const PLUGIN_ACCOUNT: &str = "longhorn-csi-plugin-service-account";
/// Address of the service `longhorn-backend`.
const BACKEND: &str = "10.96.0.50";
/// Longer than a test lasts.
const TOKEN_HOURS: &str = "--duration=12h";

/// The one installation of a cluster. It ends with the cluster, and not with the process that made it: the next one takes it over.
#[derive(Debug)]
pub struct Product {
    token: String,
}

#[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
impl Product {
    /// The installation; made when it is asked for first.
    pub fn get() -> &'static Self {
        static PRODUCT: OnceLock<Product> = OnceLock::new();
        PRODUCT.get_or_init(Self::install)
    }

    fn install() -> Self {
        if kubectl::attempt(&["-n", NAMESPACE, "get", "daemonset", MANAGER], "").is_ok() {
            return Self { token: token(PLUGIN_ACCOUNT) };
        }
        let manifest = fs::read_to_string(repository().join("deploy/longhorn.yaml")).unwrap();
        kubectl::with_input(&["apply", "--server-side", "-f", "-"], &adapted(&manifest));
        let definitions = repository().join("deploy/chart/files/crds.yaml");
        kubectl::wait(&["--for=condition=Established", "-f", definitions.to_str().unwrap()]);
        let product = Self { token: token(PLUGIN_ACCOUNT) };
        product.wait_for_manager();
        // The machine that runs the tests may be nearly full; the volumes here are sparse.
        for (setting, value) in
            [("storage-minimal-available-percentage", "0"), ("storage-over-provisioning-percentage", "10000")]
        {
            product.set(setting, value);
        }
        product.wait_until_ready();
        product
    }

    /// Waits until everything runs that takes part in a volume's life.
    pub fn wait_until_ready(&self) {
        let in_namespace = |arguments: &[&str]| kubectl::wait(&[&["-n", NAMESPACE], arguments].concat());
        for name in [MANAGER, "longhorn-csi-plugin"] {
            let daemonset = format!("daemonset/{name}");
            in_namespace(&["--for=create", &daemonset]);
            in_namespace(&["--for=jsonpath={.status.numberReady}=1", &daemonset]);
        }
        in_namespace(&["--for=create", "pod", "-l", INSTANCE_MANAGER]);
        in_namespace(&["--for=condition=Ready", "pod", "-l", INSTANCE_MANAGER]);
        let node = format!("nodes.longhorn.io/{}", variable("NODE_NAME"));
        in_namespace(&["--for=create", &node]);
        in_namespace(&["--for=condition=Ready", &node]);
        for name in ["csi-attacher", "csi-provisioner", "csi-resizer", "csi-snapshotter"] {
            let deployment = format!("deployment/{name}");
            in_namespace(&["--for=create", &deployment]);
            in_namespace(&["--for=condition=Available", &deployment]);
        }
        // kubelet has taken the driver.
        kubectl::until("the driver is registered", &["csinode", &variable("NODE_NAME")], |node| {
            node["spec"]["drivers"].as_array().is_some_and(|drivers| !drivers.is_empty())
        });
        kubectl::wait(&["--for=create", "storageclass/longhorn"]);
    }

    /// Returns when the manager answers. One that was killed is started again by kubelet.
    pub fn wait_for_manager(&self) {
        let answers = format!("http://{BACKEND}:9500/healthz");
        let asked = ["-sf", "--retry", "240", "--retry-delay", "1", "--retry-all-errors", "--retry-max-time", "240"];
        let asked = Command::new("curl").args(asked).arg(answers).stdout(Stdio::null()).status();
        assert!(asked.is_ok_and(|status| status.success()), "the manager does not answer: {}", log_of(MANAGER));
    }

    /// The manager's process.
    #[must_use]
    pub fn manager(&self) -> u32 {
        let found = processes::called(&["aurochs", "serve"]);
        *found.first().unwrap_or_else(|| panic!("no manager runs: {}", log_of(MANAGER)))
    }

    /// Kills the manager, and returns when another one answers.
    pub fn kill_manager(&self) {
        processes::called(&["aurochs", "serve"]).into_iter().for_each(processes::kill);
        self.wait_for_manager();
    }

    /// Writes a setting as a user of kubectl does.
    pub fn set(&self, setting: &str, value: &str) {
        let object = format!("settings.longhorn.io/{setting}");
        kubectl::wait(&["-n", NAMESPACE, "--for=create", &object]);
        let change = serde_json::json!({"value": value}).to_string();
        kubectl::run(&["-n", NAMESPACE, "patch", &object, "--type=merge", "-p", &change]);
    }

    /// Asks the API as the driver does.
    #[must_use]
    #[track_caller]
    pub fn api(&self, path: &str) -> Value {
        let header = format!("Authorization: Bearer {}", self.token);
        let url = format!("http://{BACKEND}:9500/v1/{path}");
        let output = Command::new("curl").args(["-sf", "-H", &header, &url]).output().unwrap();
        assert!(output.status.success(), "GET {path}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The manifest with addresses for names. One pod of each sidecar is enough on one node.
fn adapted(manifest: &str) -> String {
    let environment = "            - name: AUROCHS_LOG_FORMAT\n";
    let counts: String = ["ATTACHER", "PROVISIONER", "RESIZER", "SNAPSHOTTER"]
        .iter()
        .map(|name| format!("            - {{name: CSI_{name}_REPLICA_COUNT, value: \"1\"}}\n"))
        .collect();
    let with_address = |document: &str| {
        let is_backend = document.contains("\nkind: Service\n") && document.contains("\n  name: longhorn-backend\n");
        let address = format!("  type: ClusterIP\n  clusterIP: {BACKEND}\n");
        if is_backend { document.replace("  type: ClusterIP\n", &address) } else { document.to_owned() }
    };
    let documents: Vec<String> = manifest.split("\n---\n").map(with_address).collect();
    documents
        .join("\n---\n")
        .replace("http://longhorn-backend:9500/", &format!("http://{BACKEND}:9500/"))
        .replace(environment, &format!("{counts}{environment}"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn token(account: &str) -> String {
    kubectl::run(&["-n", NAMESPACE, "create", "token", account, TOKEN_HOURS]).trim().to_owned()
}

/// The end of what the pods of this application said.
#[must_use]
pub fn log_of(app: &str) -> String {
    let selector = format!("app={app}");
    kubectl::attempt(&["-n", NAMESPACE, "logs", "-l", &selector, "--tail=20", "--all-containers"], "")
        .unwrap_or_else(|error| error)
}
