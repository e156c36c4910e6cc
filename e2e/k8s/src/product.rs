//! What a user installs: the manifest `deploy/longhorn.yaml`, by `kubectl apply`.
//!
//! The manager alone is no pod: it is a process of the node, below the account and with the rights that the manifest gives it. All
//! others (driver deployer, CSI plugin, sidecars) are pods, of the images that `harness/images.sh` made of the same programs. They
//! reach the manager at the node's address, since nobody serves names and addresses of services here.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::{directory, kubectl, variable};

/// Where it is.
pub const NAMESPACE: &str = "longhorn-system";
/// Our account of the driver: it may use the API.
const PLUGIN_ACCOUNT: &str = "longhorn-csi-plugin-service-account";
const MANAGER_ACCOUNT: &str = "longhorn-service-account";
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
        if manager_file().exists() {
            return Self { token: token(PLUGIN_ACCOUNT) };
        }
        let manifest = fs::read_to_string(repository().join("deploy/longhorn.yaml")).unwrap();
        kubectl::with_input(&["apply", "--server-side", "-f", "-"], &adapted(&manifest));
        let definitions = repository().join("deploy/chart/files/crds.yaml");
        kubectl::wait(&["--for=condition=Established", "-f", definitions.to_str().unwrap()]);
        write_kubeconfig(&manager_kubeconfig(), &token(MANAGER_ACCOUNT));
        let product = Self { token: token(PLUGIN_ACCOUNT) };
        product.start_manager();
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
        in_namespace(&["--for=create", "daemonset/longhorn-csi-plugin"]);
        in_namespace(&["--for=jsonpath={.status.numberReady}=1", "daemonset/longhorn-csi-plugin"]);
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

    /// Starts the manager; returns when it answers.
    #[expect(
        clippy::zombie_processes,
        reason = "it lives on when the tests' process ends, and the cluster's first process waits for it"
    )]
    pub fn start_manager(&self) {
        let log = File::options().create(true).append(true).open(directory().join("log/manager.log")).unwrap();
        let address = variable("NODE_ADDRESS");
        let mut command = Command::new(binary("aurochs"));
        command.args(["serve", "--kubernetes", "--kubeconfig"]).arg(manager_kubeconfig());
        command.arg("--data").arg(directory().join("data"));
        command.args(["--address", "0.0.0.0:9500", "--users-secret", "longhorn-users"]);
        command.args(["--webhook-address", "0.0.0.0:9502", "--webhook-url", &format!("https://{address}:9502")]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let manager = command.spawn().unwrap();
        fs::write(manager_file(), manager.id().to_string()).unwrap();
        let answers = "http://127.0.0.1:9500/healthz";
        let asked = ["-sf", "--retry", "240", "--retry-delay", "0", "--retry-all-errors", "--retry-max-time", "60"];
        let asked = Command::new("curl").args(asked).arg(answers).stdout(Stdio::null()).status();
        assert!(asked.is_ok_and(|status| status.success()), "the manager does not answer: {}", log_of("manager"));
    }

    /// The manager's process.
    #[must_use]
    pub fn manager(&self) -> u32 {
        fs::read_to_string(manager_file()).unwrap().parse().unwrap()
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
        let url = format!("http://127.0.0.1:9500/v1/{path}");
        let output = Command::new("curl").args(["-sf", "-H", &header, &url]).output().unwrap();
        assert!(output.status.success(), "GET {path}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The manifest without the manager's pods, which are not there yet, and with addresses for names. One pod of each sidecar is
/// enough on one node.
fn adapted(manifest: &str) -> String {
    let is_manager = |document: &&str| document.contains("\nkind: DaemonSet\n");
    let documents: Vec<&str> = manifest.split("\n---\n").filter(|document| !is_manager(document)).collect();
    let at = format!("http://{}:9500/", variable("NODE_ADDRESS"));
    let environment = "            - name: AUROCHS_LOG_FORMAT\n";
    let counts: String = ["ATTACHER", "PROVISIONER", "RESIZER", "SNAPSHOTTER"]
        .iter()
        .map(|name| format!("            - {{name: CSI_{name}_REPLICA_COUNT, value: \"1\"}}\n"))
        .collect();
    documents
        .join("\n---\n")
        .replace("http://longhorn-backend:9500/", &at)
        .replace(environment, &format!("{counts}{environment}"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program of ours, beside the directory of this one.
fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let beside = || own.ancestors().nth(2).unwrap().to_owned();
    std::env::var_os("AUROCHS_BIN_DIR").map_or_else(beside, PathBuf::from).join(name)
}

fn manager_file() -> PathBuf {
    directory().join("manager.process")
}

fn manager_kubeconfig() -> PathBuf {
    directory().join("manager.kubeconfig")
}

fn token(account: &str) -> String {
    kubectl::run(&["-n", NAMESPACE, "create", "token", account, TOKEN_HOURS]).trim().to_owned()
}

/// A file for a program with this token, and its rights alone.
fn write_kubeconfig(path: &Path, token: &str) {
    let authority = directory().join("pki/ca.crt");
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: it\ncontexts:\n- name: it\n  context: {{cluster: it, user: it}}\n\
         clusters:\n- name: it\n  cluster: {{server: \"https://127.0.0.1:443\", certificate-authority: {}}}\n\
         users:\n- name: it\n  user: {{token: {token}}}\n",
        authority.display(),
    );
    fs::write(path, kubeconfig).unwrap();
}

/// The end of a program's log.
#[must_use]
pub fn log_of(name: &str) -> String {
    let log = fs::read_to_string(directory().join(format!("log/{name}.log"))).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
