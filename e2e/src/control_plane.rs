//! A real Kubernetes control plane of its own for a test: etcd and kube-apiserver on 127.0.0.1, in a directory of their own.
//!
//! The programs: etcd is Debian's, kube-apiserver is what `scripts/k8s-tools.sh` built, in `AUROCHS_K8S_TOOLS` or
//! `target/k8s-tools`. Nothing else of Kubernetes runs: who deletes a namespace, collects garbage or schedules pods is not
//! there.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::{Guard, LOOK, PATIENCE};

/// A control plane. It ends with this, or with the test, and what it kept goes.
#[derive(Debug)]
pub struct ControlPlane {
    root: Guard,
    port: u16,
    etcd_port: u16,
    etcd: Child,
    api_server: Option<Child>,
}

/// Who may do everything, and is not of our namespace.
const ADMIN: &str = "admin";
const ADMINS_TOKEN: &str = "token-of-a-test";

#[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
impl ControlPlane {
    /// Starts both and returns when the API server is ready: about four seconds.
    pub async fn start() -> Self {
        let root = Guard::new("aur-k8s", |_| Vec::new());
        let (port, etcd_port, peer_port) = (free_port(), free_port(), free_port());
        let clients = format!("http://127.0.0.1:{etcd_port}");
        let peers = format!("http://127.0.0.1:{peer_port}");
        let mut etcd = process(root.directory(), "etcd", Path::new("etcd"));
        etcd.arg("--data-dir").arg(root.directory().join("etcd"));
        etcd.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        etcd.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        // What a power cut would do to its data is nobody's question here.
        etcd.args(["--initial-cluster", &format!("default={peers}"), "--unsafe-no-fsync"]);
        let etcd =
            etcd.spawn().unwrap_or_else(|error| panic!("etcd can't be started: {error}; run scripts/install.sh"));
        let mut plane = Self { root, port, etcd_port, etcd, api_server: None };
        plane.write_secrets();
        plane.start_api_server().await;
        plane
    }

    /// A file for clients, with all rights.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.directory().join("kubeconfig")
    }

    /// A file for a program that has this service account, and its rights alone.
    #[must_use]
    pub fn kubeconfig_of_account(&self, namespace: &str, account: &str) -> PathBuf {
        let token = self.kubectl(&["-n", namespace, "create", "token", account], "").unwrap();
        let path = self.root.directory().join(format!("kubeconfig-{account}"));
        self.write_kubeconfig(&path, account, token.trim());
        path
    }

    /// Makes the service accounts of a rendering of the chart, with their rights, and nothing else of it.
    pub fn give_rights(&self, rendering: &str) {
        let is_right = |document: &&str| {
            let mut kinds = document.lines().filter_map(|line| line.strip_prefix("kind: "));
            kinds.next().is_some_and(|kind| kind == "ServiceAccount" || kind.contains("Role"))
        };
        let rights: Vec<&str> = rendering.split("---\n").filter(is_right).collect();
        self.kubectl(&["apply", "-f", "-"], &rights.join("---\n")).unwrap();
    }

    /// Ends the API server as a crash would: watches break, etcd keeps what was answered.
    pub fn kill_api_server(&mut self) {
        if let Some(mut child) = self.api_server.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it where it was before, and returns when it is ready.
    pub async fn start_api_server(&mut self) {
        let directory = self.root.directory();
        let mut command = process(directory, "kube-apiserver", &tools().join("kube-apiserver"));
        command.arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port));
        command.arg(format!("--secure-port={}", self.port));
        command.arg(format!("--cert-dir={}", directory.join("apiserver").display()));
        command.arg(format!("--token-auth-file={}", directory.join("tokens").display()));
        command.arg(format!("--service-account-key-file={}", directory.join("sa.key").display()));
        command.arg(format!("--service-account-signing-key-file={}", directory.join("sa.key").display()));
        command.args([
            "--service-account-issuer=https://kubernetes.default.svc",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            // An address of this machine alone is no valid endpoint of a service.
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            "--profiling=false",
        ]);
        let started = command.spawn();
        let child = started.unwrap_or_else(|error| {
            panic!("kube-apiserver can't be started: {error}; run scripts/k8s-tools.sh target/k8s-tools")
        });
        self.api_server = Some(child);
        self.wait_until_ready().await;
    }

    /// Runs kubectl against it, with this text as its input.
    ///
    /// # Errors
    /// What kubectl said, if it did not succeed.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        use std::io::Write as _;
        let own = tools().join("kubectl");
        let program = if own.exists() { own } else { PathBuf::from("kubectl") };
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(self.kubeconfig()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("kubectl can't be started: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // Whoever does not read it says why below.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(said.into_owned()) } else { Err(format!("{complaint}{said}")) }
    }

    fn write_secrets(&self) {
        let directory = self.root.directory();
        let key = directory.join("sa.key");
        let made =
            Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").stderr(Stdio::null()).status();
        assert!(made.is_ok_and(|status| status.success()), "openssl can't make a key");
        fs::write(directory.join("tokens"), format!("{ADMINS_TOKEN},{ADMIN},{ADMIN},\"system:masters\"\n")).unwrap();
        self.write_kubeconfig(&self.kubeconfig(), ADMIN, ADMINS_TOKEN);
    }

    fn write_kubeconfig(&self, path: &Path, user: &str, token: &str) {
        // The API server makes its certificate, and the authority of it, at its first start.
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\ncontexts:\n- name: test\n  context: {{cluster: test, \
             user: {user}}}\nclusters:\n- name: test\n  cluster:\n    server: https://127.0.0.1:{}\n    \
             certificate-authority: {}\nusers:\n- name: {user}\n  user: {{token: {token}}}\n",
            self.port,
            self.certificate().display(),
        );
        fs::write(path, kubeconfig).unwrap();
    }

    fn certificate(&self) -> PathBuf {
        self.root.directory().join("apiserver/apiserver.crt")
    }

    async fn wait_until_ready(&mut self) {
        let start = Instant::now();
        while !self.is_ready().await {
            let ended = self.api_server.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || start.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.root.directory().join("kube-apiserver.log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                panic!("the API server is not ready:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn is_ready(&self) -> bool {
        let Ok(bundle) = fs::read(self.certificate()) else { return false };
        let Ok(certificates) = reqwest::Certificate::from_pem_bundle(&bundle) else { return false };
        let mut client = reqwest::Client::builder().timeout(PATIENCE / 10);
        for certificate in certificates {
            client = client.add_root_certificate(certificate);
        }
        let Ok(client) = client.build() else { return false };
        let asked =
            client.get(format!("https://127.0.0.1:{}/readyz", self.port)).bearer_auth(ADMINS_TOKEN).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        for child in self.api_server.iter_mut().chain([&mut self.etcd]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where the programs are that have to be built.
fn tools() -> PathBuf {
    match std::env::var_os("AUROCHS_K8S_TOOLS") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/k8s-tools"),
    }
}

fn process(directory: &Path, name: &str, program: &Path) -> Command {
    let log = File::options().create(true).append(true).open(directory.join(format!("{name}.log"))).unwrap();
    let mut command = Command::new(program);
    command.current_dir(directory);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
